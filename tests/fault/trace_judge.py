"""Judges the answers of `trace` by what the clients of a run heard. Pure.

What a client received was written to it: a trace that says otherwise is wrong. A client that was told of a later cursor
on a connection, and got nothing there, was not written to. Where the client heard nothing, as on a connection that was
cut, either answer may be true. A trace may always say that it does not know.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from notify_sse.core.cursor import parse_cursor
from tests.support.checker import Connected, Reader, ResetTold, Seen

EXCUSES: Final = ("gateway ", "connections after ")
"""How an answer begins to say that a connection may be missing in it."""
OVER: Final = frozenset(("not_written", "received_before", "expired", "recalled"))
"""States of which nothing can come any more."""


class Attempt(msgspec.Struct):
    """A client's try to connect with the cursor `brought`: what it heard then is in `reader`, from `first` on.

    `connection_id` is empty when it was never told one: the gateway may have opened a stream all the same.
    """

    brought: str
    reader: Reader
    first: int
    last: int | None = None
    connection_id: str = ""
    where: str = ""
    """At which gateway, and when: for whoever looks for the reason."""


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What a client knows of one of its connections, in positions of the log. `resumed`: which cursor it brought, and
    was not told a reset (0: none); `began` where it began; `got` what it received, `upto` how far it was told to be.
    """

    connection_id: str
    where: str = ""
    resumed: int
    began: int
    got: frozenset[int]
    upto: int


class Question(msgspec.Struct, frozen=True, kw_only=True):
    """A notification, and the recipient of whom it is asked whether it was written to them."""

    notification_id: str
    channel: str
    recipient_id: str


class Told(msgspec.Struct, frozen=True):
    """An answer. `final`: nothing was under way any more when it was given. `took_s`: until it was there."""

    question: Question
    answer: dict[str, Any]
    final: bool
    took_s: float


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What the run knows of a question: where the notification stands, each connection that reads its channel, the
    positions of all cursors that clients of the recipient ever brought, and over which ways it can have come.
    """

    cursor: str
    position: int
    known: Sequence[Known]
    brought: frozenset[int]
    ways: frozenset[str] = frozenset()
    read: bool | None = None
    """Whether the recipient has marked it as read; None when that is not to be looked at."""


def known_of(attempt: Attempt, *, epoch: str) -> Known:
    """What is known of a connection by what was heard on it."""
    began = upto = 0
    resumed = position_in(attempt.brought, epoch=epoch)
    got = set()
    for sighting in attempt.reader.sightings[attempt.first : attempt.last]:
        if isinstance(sighting, ResetTold):
            began, resumed = sighting.to.position, 0
        elif isinstance(sighting, Connected):
            began = sighting.cursor.position
        else:
            upto = max(upto, sighting.cursor.position)
            if isinstance(sighting, Seen):
                got.add(sighting.cursor.position)
    return Known(
        connection_id=attempt.connection_id,
        where=attempt.where,
        resumed=resumed,
        began=began,
        got=frozenset(got),
        upto=upto,
    )


def position_in(cursor: str, *, epoch: str) -> int:
    """Its position in the log of `epoch`; 0 when it is none of that log."""
    parsed = parse_cursor(cursor) if cursor else None
    return parsed.position if parsed and parsed.epoch == epoch else 0


def judged(told: Told, heard: Heard) -> tuple[list[str], Counter[str]]:
    """What is wrong in an answer; and what it told, counted by kind."""
    answer = told.answer
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    if answer["state"] != "stored" or [item["cursor"] for item in answer["items"]] != [heard.cursor]:
        places = [item["cursor"] for item in answer["items"]]
        return [f"{answer['state']} at {places}; it is in the log at {heard.cursor}"], counts
    [item] = answer["items"]
    listed = {one["connection_id"]: one for one in item["connections"]}
    for known in heard.known:
        one = listed.get(known.connection_id)
        if one is None:
            wrong += _missing(known, answer, heard.position, counts) if told.final else ()
            continue
        state, expected = one["state"], _expected(known, heard.position, final=told.final)
        counts[state] += 1
        if state != "unknown" and state not in expected:
            wrong.append(
                f"connection {known.connection_id}: {state}; the client knows: {' or '.join(sorted(expected))}"
            )
    wrong += _wrong_proof(item, listed, heard, final=told.final)
    wrong += _wrong_about_it(item, answer, heard)
    _count_what_it_was(heard, counts)
    return wrong, counts


def _expected(known: Known, position: int, *, final: bool) -> frozenset[str]:
    """The states that what the client knows allows."""
    if position in known.got:
        return frozenset(("written",)) if final else frozenset(("written", "not_yet"))
    if known.began >= position:
        return frozenset(("received_before",)) if known.resumed >= position else frozenset(("not_written",))
    if known.upto >= position:  # it was passed over there
        return frozenset(("expired", "recalled")) if final else frozenset(("expired", "recalled", "not_yet"))
    return OVER - {"received_before"} | {"written", "not_yet"}


def _missing(known: Known, answer: dict[str, Any], position: int, counts: Counter[str]) -> Iterator[str]:
    """A connection that matters and is not listed: it may be, where the answer says that some may be missing."""
    if position not in known.got and known.resumed < position:
        return
    if any(line.startswith(EXCUSES) for line in answer["unknown"]):
        counts["not listed, and said to be unknown"] += 1
    else:
        yield f"connection {known.connection_id}, {known.where}, is not there, and nothing says that one may be missing"


def _wrong_proof(item: dict[str, Any], listed: dict[str, Any], heard: Heard, *, final: bool) -> Iterator[str]:
    received = item["received"]
    if received is not None:
        position = int(received["cursor"].rpartition(".")[2])
        if position < heard.position or position not in heard.brought:
            yield f"received by {received['cursor']}, which no client brought"
    elif final and any(one.resumed >= heard.position and one.connection_id in listed for one in heard.known):
        yield "no proof that it was received, and a client came back with a cursor beyond it"


def _wrong_about_it(item: dict[str, Any], answer: dict[str, Any], heard: Heard) -> Iterator[str]:
    accepted = item["accepted"]
    if accepted is not None and heard.ways and accepted["way"] not in heard.ways:
        yield f"accepted over {accepted['way']}; it was published over {' or '.join(sorted(heard.ways))}"
    if accepted is None and not any(line.startswith("by which way") for line in answer["unknown"]):
        yield "by which way it came is neither told nor said to be unknown"
    if heard.read is not None and (item["read"] is not None) != heard.read:
        yield f"read: {item['read']}; in the log it is marked as {'read' if heard.read else 'unread'}"
    if not heard.known and not heard.brought and item["connections"]:
        yield "connections of somebody who never connected"


def _count_what_it_was(heard: Heard, counts: Counter[str]) -> None:
    received = any(heard.position in known.got for known in heard.known)
    counts["notifications received by a client"] += received
    counts["notifications resumed past"] += any(known.resumed >= heard.position for known in heard.known)
    counts["notifications of somebody who never connected"] += not heard.known and not heard.brought


def all_judged(answers: Iterable[tuple[Told, Heard]]) -> tuple[list[str], Counter[str]]:
    """Of all: what is wrong, each with its question, and the counts."""
    wrong, counts = list[str](), Counter[str]()
    for told, heard in answers:
        found, counted = judged(told, heard)
        counts += counted
        counts["answers at the end" if told.final else "answers amid the faults"] += 1
        name, recipient = told.question.notification_id, told.question.recipient_id
        wrong += [f"trace of {name!r} to {recipient!r}{'' if told.final else ' amid faults'}: {line}" for line in found]
    counts["wrong"] = len(wrong)
    return wrong, counts
