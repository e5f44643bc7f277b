"""The judge of traces is judged: an answer that contradicts what clients heard is wrong, whichever way it does."""

from typing import Any

import pytest

from notify_sse.core.cursor import Cursor
from tests.fault.trace_judge import Attempt, Heard, Known, Question, Told, judged, known_of
from tests.support.checker import Beat, Connected, Reader, ResetTold, Seen, Sighting

E = "e1"
AT = 50
GAP = ["gateway g1 was last heard of 9 s ago: what it did since is not known"]


def known(*, began: int = 10, got: tuple[int, ...] = (), upto: int = 0, resumed: int = 0) -> Known:
    return Known(connection_id="c", resumed=resumed, began=began, got=frozenset(got), upto=max(upto, 0, *got))


def answer(on_it: str | None, **changed: Any) -> dict[str, Any]:
    """One connection in the state `on_it`, or none."""
    connections = [{"connection_id": "c", "state": on_it}] if on_it else []
    item: dict[str, Any] = {"cursor": f"{E}.{AT}", "connections": connections, "received": None, "read": None}
    item["accepted"] = {"way": "http"}
    whole = {"state": "stored", "items": [item], "unknown": []}
    for name, value in changed.items():
        (whole if name in whole else item)[name] = value
    return whole


def wrong(given: dict[str, Any], *connections: Known, final: bool = True, **heard: Any) -> list[str]:
    asked = Question(notification_id="n", channel="recipient:alice", recipient_id="alice")
    record = {"cursor": f"{E}.{AT}", "position": AT, "known": connections, "brought": frozenset((10, 60)), **heard}
    return judged(Told(asked, given, final, 0.1), Heard(**record))[0]


@pytest.mark.parametrize(
    ("connection", "right"),
    [
        (known(got=(AT,)), {"written"}),
        (known(began=AT), {"not_written"}),
        (known(began=60, resumed=60), {"received_before"}),
        (known(upto=51), {"expired", "recalled"}),
        (known(upto=49), {"written", "not_written", "not_yet", "expired", "recalled"}),
    ],
)
def test_a_state_that_the_client_refutes_is_wrong(connection: Known, right: set[str]) -> None:
    """And unknown never is."""
    states = {"written", "not_written", "not_yet", "expired", "recalled", "received_before"}
    received = {"cursor": f"{E}.60"} if connection.resumed else None
    for state in (*states, "unknown"):
        assert bool(wrong(answer(state, received=received), connection)) == (state in states - right), state
    for state in states - right - {"not_yet"}:
        assert wrong(answer(state, received=received), connection, final=False), state


def test_a_connection_is_missing_only_where_the_answer_says_so() -> None:
    for connection in (known(got=(AT,)), known(began=60, resumed=60)):
        assert wrong(answer(None), connection)
        assert wrong(answer(None, unknown=GAP), connection) == []
        assert wrong(answer(None), connection, final=False) == [], "its row may be a second late"
    assert wrong(answer(None), known(upto=49)) == [], "it ended before"


def test_a_proof_is_a_cursor_that_somebody_brought() -> None:
    back = known(began=60, resumed=60)
    assert wrong(answer("received_before"), back), "no proof, though there is one"
    assert wrong(answer("received_before", received={"cursor": f"{E}.60"}), back) == []
    for cursor in (f"{E}.61", f"{E}.10"):
        assert wrong(answer("received_before", received={"cursor": cursor}), back)


def test_what_is_told_of_the_notification_itself_is_looked_at() -> None:
    given = known(got=(AT,))
    assert wrong(answer("written", cursor=f"{E}.51"), given)
    assert wrong(answer("written", state="not_found", items=[]), given)
    assert wrong(answer("written"), given, ways=frozenset(("amqp",)))
    assert wrong(answer("written", accepted=None), given)
    assert wrong(answer("written", accepted=None, unknown=["by which way it was accepted: …"]), given) == []
    assert wrong(answer("written"), given, read=True)
    assert wrong(answer("written", read={"cursor": f"{E}.70"}), given, read=True) == []
    assert wrong(answer("written"), brought=frozenset()), "nobody ever connected"


def test_a_connection_is_known_by_what_was_heard_on_it() -> None:
    sightings: list[Sighting] = [
        Connected("", Cursor(E, 5)),
        Seen(Cursor(E, 7), "a", "recipient:alice", 1),
        Connected(f"{E}.7", Cursor(E, 7)),
        Seen(Cursor(E, 9), "b", "recipient:alice", 1),
        Beat(Cursor(E, 12)),
        Connected(f"{E}.12", Cursor(E, 12)),
        ResetTold("expired", Cursor(E, 12), Cursor(E, 20)),
    ]
    reader = Reader("r", frozenset(), sightings)
    found = [
        known_of(Attempt(brought, reader, first, last, "c"), epoch=E)
        for brought, first, last in (("", 0, 2), (f"{E}.7", 2, 5), (f"{E}.12", 5, None), ("other.12", 5, 6))
    ]
    assert [(one.resumed, one.began, sorted(one.got), one.upto) for one in found] == [
        (0, 5, [7], 7),
        (7, 7, [9], 12),
        (0, 20, [], 0),
        (0, 12, [], 0),
    ]
