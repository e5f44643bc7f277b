"""The glossary speaks of what is there: each word once, with an example, and with names that the code has."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROWS = re.findall(
    r"^\| \*\*(.+?)\*\* \| (.+?) \| (.+?) \| (.+?) \|$",
    (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)
NAME = re.compile(r"^\s*(?:class|def|async def) (\w+)", re.MULTILINE)


def test_each_word_stands_once_in_alphabetical_order() -> None:
    words = [word for word, *_ in ROWS]
    assert len(words) > 50
    assert words == sorted(set(words))


def test_the_code_has_every_name_of_the_last_column() -> None:
    """`Tail` is a class or a function, `Broker.ack` a method, `core/tail.py` a module, `notify_sse/bench` a folder."""
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "notify_sse").rglob("*.py")]
    defined = {name for source in sources for name in NAME.findall(source)}
    names = [name for *_, column in ROWS for name in re.findall(r"`([^`]+)`", column)]
    missing = [name for name in names if not (_place(name) or defined.issuperset(name.split(".")))]
    assert len(names) >= len(ROWS)
    assert not missing


def _place(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / "notify_sse" / name).exists()
