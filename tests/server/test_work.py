"""What one client asks for costs the others no long wait: the event loop never works at a stretch for it."""

import asyncio
import json
import socket
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from notify_sse.store import page
from notify_sse.web.limits import histories
from tests.server.in_process import running
from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import Service
from tests.support.turns import turns


async def test_a_batch_costs_others_no_long_wait(tmp_path: Path) -> None:
    """Neither a sound one of much work, nor one that is broken at its end."""
    item = notification("bob", payload={"a": [0] * 8000})
    batch = json.dumps([item] * 200).replace(" ", "")
    async with running(tmp_path) as served, Api(served) as api:
        for body, status in ((batch, 201), (batch[:-1] + ",NaN]", 400)):
            async with turns() as stretches:
                assert (await api.post(body.encode())).status_code == status
            assert max(stretches) < 0.1 < sum(stretches)


async def test_a_type_of_which_there_is_nothing_is_looked_for_in_steps(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page may end early, from either end; it says that there is more, and where to go on."""
    monkeypatch.setattr(page, "LOOKED_AT", 3)
    monkeypatch.setattr(histories, "LOOK_S", 0.0)
    async with running(tmp_path) as served, Api(served) as api:
        kinds = ["rare", *["common"] * 8, "rare"]
        published = await api.publish_many([notification("alice", notification_type=kind) for kind in kinds])
        for order, follow in (("asc", {"after": "cursor"}), ("desc", {"before": "before"})):
            query: dict[str, str] = {}
            seen: list[str] = []
            pages = 0
            while True:
                answer = (await api.history("alice", type="rare", order=order, **query)).json()
                seen += [item["cursor"] for item in answer["items"]]
                pages += 1
                if not answer["more"]:
                    break
                query = {name: answer[field] for name, field in follow.items()}
            assert seen == [published[0], published[-1]][:: 1 if order == "asc" else -1]
            assert pages == 4
        whole = (await api.history("alice", type="rare", order="desc", after=published[8])).json()
        assert "before" not in whole


async def test_large_answers_that_nobody_reads_have_a_budget(tmp_path: Path) -> None:
    """Of one recipient, which is refused beyond it; others read theirs, and it comes back with the connections."""
    async with running(tmp_path) as served, Api(served) as api:
        await api.publish_many([notification("alice", payload={"text": "x" * 15_000}) for _ in range(500)])
        request = "GET /notifications/history?limit=500 HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
        async with AsyncExitStack() as stack:
            for _ in range(8):
                stack.push_async_callback(_reset, await _unread(served, f"{request}{served.token('alice')}\r\n\r\n"))

            async def at_its_limit() -> bool:
                return await api.metric('notify_sse_limited_total{limit="answer_bytes"}') >= 1

            await eventually(at_its_limit, what="a refusal of what is too much")
            assert await api.metric("notify_sse_answer_bytes") < 4 * 7_600_000
            refused = await api.history("alice", limit=500)
            assert (refused.status_code, refused.json()["limit"]) == (429, "answer_bytes")
            for recipient in ("alice", "bob"):  # what is small passes
                assert (await api.history(recipient, limit=1)).status_code == 200

        async def given_back() -> bool:
            return await api.metric("notify_sse_answer_bytes") == 0

        await eventually(given_back, what="the bytes of those who went")
        assert len((await api.history("alice", limit=500)).json()["items"]) == 500


async def _unread(served: Service, request: str) -> socket.socket:
    """A connection that asks and does not read."""
    loop, unread = asyncio.get_running_loop(), socket.socket()
    unread.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    unread.setblocking(False)
    await loop.sock_connect(unread, ("127.0.0.1", served.port))
    await loop.sock_sendall(unread, request.encode())
    return unread


async def _reset(unread: socket.socket) -> None:
    unread.close()
