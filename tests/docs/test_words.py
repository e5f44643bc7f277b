"""One word, one meaning: the code's public names keep to docs/glossary.md.

Its second table lists the words that had several meanings. The last of its five columns, `in names of`, names in
backticks the modules (`core/tail.py`) and rooms (`bench/`) whose public names may say that a thing is such a one; with
nothing in it, no name may. What a name says that the thing is: its last word (`RabbitMQBroker` is a broker,
`PublishingChannels` are channels), of rooms, modules, classes, and functions of a single word.

Every other word of the glossary names one class at most, the one of its last column.
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from tests.docs.house import DOCS, PACKAGE, Name, in_backticks, package_texts, public_names, table_rows

Places = Mapping[str, frozenset[str]]
"""Word → the modules and rooms that may use it."""
ANSWERS = "web/http/answers.py"
COLUMNS_OF_WORDS, COLUMNS_OF_SEVERAL_MEANINGS = 4, 5


def _several_meanings() -> dict[str, frozenset[str]]:
    rows = table_rows((DOCS / "glossary.md").read_text(encoding="utf-8"))
    return {row[0]: frozenset(in_backticks(row[-1])) for row in rows if len(row) == COLUMNS_OF_SEVERAL_MEANINGS}


def _words() -> set[str]:
    """Of the first table."""
    rows = table_rows((DOCS / "glossary.md").read_text(encoding="utf-8"))
    return {word for row in rows if len(row) == COLUMNS_OF_WORDS for word in re.findall(r"\*\*(.+?)\*\*", row[0])}


def _twice(names: Iterable[Name], words: set[str]) -> list[str]:
    """Words that more than one public class has as its whole name. Answers have the names of the contract's schemas."""
    classes = Counter(name.name.lower() for name in names if name.name[0].isupper() and name.path != ANSWERS)
    return sorted(word for word in words if classes[word.replace(" ", "").replace("-", "")] > 1)


def _allowed(name: Name, places: Iterable[str]) -> bool:
    return any(name.path.startswith(place) if place.endswith("/") else name.path == place for place in places)


def _misused(names: Iterable[Name], glossary: Places) -> list[str]:
    return [
        f"{name.path}: {name.name} is no {name.noun} as the glossary means it"
        for name in names
        if name.noun in glossary and not _allowed(name, glossary[name.noun])
    ]


def test_a_word_that_had_several_meanings_names_one_thing() -> None:
    assert _misused(public_names(package_texts()), _several_meanings()) == []


def test_the_glossary_lists_no_place_where_the_word_is_not_used() -> None:
    """So that it cannot allow more than there is; and every place exists."""
    names = public_names(package_texts())
    stale = [
        f"{word}: {place}"
        for word, places in _several_meanings().items()
        for place in places
        if not any(name.noun == word and _allowed(name, [place]) for name in names)
    ]
    assert stale == []


def test_each_word_is_the_name_of_one_class() -> None:
    assert len(_words()) > 50
    assert _twice(public_names(package_texts()), _words()) == []


def test_the_words_that_had_several_meanings_are_looked_at() -> None:
    expected = {
        "gateway",
        "connection",
        "session",
        "listener",
        "lane",
        "page",
        "log",
        "frame",
        "turn",
        "receipt",
        "client",
    }
    assert expected <= set(_several_meanings())


def test_a_planted_name_is_noticed() -> None:
    """A class, a module, a room, a function of one word; and not a verb's object, nor a word within a name."""
    glossary = {"frame": frozenset(("core/frames.py",)), "session": frozenset(("web/",))}
    texts = {
        "core/frames.py": "class Frame: ...\nclass ControlFrame: ...\ndef encode_frames(): ...\n",
        "web/api/session.py": "def session(): ...\n",
        "web/frame_reader.py": "def read_frames(): ...\n",
        "store/session.py": "class FrameReader: ...\nclass _Frame: ...\n",
        "broker/wire.py": "class AuthFrames: ...\ndef frame(): ...\n",
        "broker/sessions/__init__.py": "",
    }
    assert _misused(public_names(texts), glossary) == [
        "broker/sessions/__init__.py: sessions is no session as the glossary means it",
        "broker/wire.py: AuthFrames is no frame as the glossary means it",
        "broker/wire.py: frame is no frame as the glossary means it",
        "store/session.py: session is no session as the glossary means it",
    ]


def test_the_places_of_the_glossary_are_there() -> None:
    places = {place for places in _several_meanings().values() for place in places}
    assert [place for place in sorted(places) if not (PACKAGE / place).exists()] == []


def test_a_planted_second_class_is_noticed() -> None:
    texts = {"core/tail.py": "class Tail: ...\n", "store/tails.py": "class Tail: ...\nclass LogTail: ...\n"}
    assert _twice(public_names(texts), {"tail", "hub"}) == ["tail"]
