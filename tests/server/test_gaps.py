"""A gap in the log is a gap: whoever reads across it gets its neighbours, once, and the positions are ids."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.server.in_process import running
from tests.support.api import Api

ADD_THREE_TAKE_OUT_THE_MIDDLE = """
BEGIN IMMEDIATE;
CREATE TEMP TABLE copied AS SELECT * FROM log WHERE id = (SELECT position FROM log_head);
{copies}
UPDATE log_head SET position = position + 3;
DELETE FROM log WHERE id = (SELECT position - 1 FROM log_head);
DROP TABLE copied;
COMMIT;
""".format(
    copies="""
UPDATE copied SET id = id + 1, notification_id = CAST('by-hand-' || (id + 1) AS BLOB);
INSERT INTO log SELECT * FROM copied;"""
    * 3
)
"""As a restore by hand does it, in one transaction."""


def _by_hand(directory: Path) -> None:
    with closing(sqlite3.connect(directory / "notify-sse.db", isolation_level=None, timeout=10)) as database:
        database.executescript(ADD_THREE_TAKE_OUT_THE_MIDDLE)


@pytest.mark.parametrize("tail", ["1", "1000"], ids=["replay from the log", "replay from the tail"])
async def test_an_open_stream_a_replay_and_the_history_pass_a_gap_once(tmp_path: Path, tail: str) -> None:
    """The open stream, whose process finds the three in the log; then one that comes back, and pages."""
    async with running(tmp_path, TAIL_MAX_EVENTS=tail, HEARTBEAT_S="0.2") as service, Api(service) as api:
        start = await api.publish("alice")
        epoch, _, number = start.rpartition(".")
        first = int(number)
        async with api.stream("alice") as stream:
            await stream.event("connected")
            await asyncio.to_thread(_by_hand, tmp_path)
            got = [(await stream.event("message")).id for _ in range(2)]
            last = await api.publish("alice")
            got.append((await stream.event("message")).id)
            assert (await stream.next()).event == "heartbeat"
            assert stream.cursor == last
        wanted = [f"{epoch}.{first + step}" for step in (1, 3, 4)]
        assert got == wanted
        async with api.stream("alice", last_event_id=start) as stream:
            await stream.event("connected")
            assert [(await stream.event("message")).id for _ in wanted] == wanted
            assert (await stream.next()).event == "heartbeat"
        # A cursor that names the gap itself is one like any other.
        async with api.stream("alice", last_event_id=f"{epoch}.{first + 2}") as stream:
            await stream.event("connected")
            assert [(await stream.event("message")).id for _ in wanted[1:]] == wanted[1:]
        for order, expected in (("asc", wanted), ("desc", wanted[::-1])):
            assert await _pages(api, start, order) == expected
    # A new process fills its tail across the gap.
    async with (
        running(tmp_path, TAIL_MAX_EVENTS=tail) as service,
        Api(service) as api,
        api.stream("alice", last_event_id=start) as stream,
    ):
        await stream.event("connected")
        assert [(await stream.event("message")).id for _ in wanted] == wanted
        assert await api.publish("alice") == f"{epoch}.{first + 5}"
        assert (await stream.event("message")).id == f"{epoch}.{first + 5}"


async def _pages(api: Api, after: str, order: str) -> list[str]:
    """The cursors of the history, one a page."""
    found: list[str] = []
    bounds = {"after": after}
    while True:
        page = (await api.history("alice", limit="1", order=order, **bounds)).json()
        found += [item["cursor"] for item in page["items"]]
        if not page["more"]:
            return found
        bounds |= {"after": page["cursor"]} if order == "asc" else {"before": found[-1]}
