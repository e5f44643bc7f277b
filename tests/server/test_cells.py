"""A recipient moves from one log to another, as docs/explanation/scaling.md says it: with the means that there are."""

import json
from pathlib import Path
from typing import Any

from tests.server.in_process import running
from tests.support.api import Api, bearer, notification


async def test_a_recipient_moves_with_what_is_stored_and_is_told_so(tmp_path: Path) -> None:
    """The same notifications in the same order, however often they are copied; the old cursor gets a reset that leads
    to them. Tombstones, and what others have, do not move.
    """
    async with running(tmp_path / "old") as old, Api(old) as api:
        await api.publish("bob")
        documents = [notification("alice", payload={"n": n}) for n in range(5)]
        cursors = await api.publish_many(documents)
        recalled = (await api.history("alice", after=cursors[0], limit="1")).json()["items"][0]["notification_id"]
        removed = await api.http.delete(
            f"/notifications/{recalled}", params={"recipient_id": "alice"}, headers=bearer(api.publisher)
        )
        assert removed.status_code == 200
        admin = bearer(old.token("root", scope="notifications:admin"))
        exported = (await api.http.get("/admin/recipients/alice", headers=admin)).text
        before = _shown((await api.history("alice", after=_start(cursors[0]))).json())
    assert [one["payload"]["n"] for one in before] == [0, 2, 3, 4]
    lines = [json.loads(line) for line in exported.splitlines()]
    moved = [line["notification"] for line in lines if line["kind"] == "notification"]
    async with running(tmp_path / "new") as new, Api(new) as api:
        start = await api.publish("carol")
        first = await api.post(moved)
        again = await api.post(moved)
        assert (first.status_code, again.status_code) == (201, 200)
        async with api.stream("alice", last_event_id=cursors[-1]) as stream:
            await stream.event("connected")
            reset = (await stream.event("reset")).json()
            assert (reset["reason"], reset["from"]) == ("unknown_epoch", cursors[-1])
            page = await api.http.get(str(reset["history"]), headers=bearer(new.token("alice")))
            assert sorted(_shown(page.json()), key=lambda one: one["payload"]["n"]) == before
            later = await api.publish("alice")
            assert (await stream.event("message")).id == later
        assert _shown((await api.history("alice", after=start)).json())[:4] == before


def _start(cursor: str) -> str:
    """The cursor before `cursor`."""
    epoch, _, position = cursor.rpartition(".")
    return f"{epoch}.{int(position) - 1}"


def _shown(page: dict[str, Any]) -> list[dict[str, Any]]:
    """What a client shows: everything but the place in the log."""
    return [{name: value for name, value in item.items() if name not in ("cursor", "read")} for item in page["items"]]
