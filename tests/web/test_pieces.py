"""A large answer goes out in pieces: within a budget, in a bounded time, and nothing of it stays."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message

from notify_sse.config import read_settings
from notify_sse.errors import Limited
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web.http import pieces
from notify_sse.web.http.answers import answer
from notify_sse.web.http.pieces import PIECE_BYTES, PRINCIPAL, InPieces
from notify_sse.web.limits.limits import Limits


def _scope(limits: Limits, metrics: Metrics, *, stall_s: float = 60) -> Any:
    service = SimpleNamespace(limits=limits, metrics=metrics, settings=SimpleNamespace(stall_s=stall_s))
    return {"app": SimpleNamespace(state=SimpleNamespace(service=service)), PRINCIPAL: "alice"}


async def _nothing() -> Message:
    raise AssertionError


async def test_each_piece_waits_for_the_last_and_the_bytes_are_under_way_until_the_end() -> None:
    metrics = Metrics()
    limits = Limits(read_settings({}), metrics, files=None)
    response = answer(["x" * 300_000])
    assert isinstance(response, InPieces)
    sent: list[Message] = []
    held: list[int] = []

    async def send(message: Message) -> None:
        sent.append(message)
        held.append(limits.answers.held_bytes)

    await response(_scope(limits, metrics), _nothing, send)
    body = b"".join(one.get("body", b"") for one in sent)
    assert body == b'["' + b"x" * 300_000 + b'"]'
    assert max(len(one.get("body", b"")) for one in sent) == PIECE_BYTES
    assert dict(sent[0]["headers"])[b"content-length"] == b"300004"
    assert set(held) == {300_004}
    assert limits.answers.held_bytes == 0
    assert response.body == b"", "else it would stay for as long as a cycle that holds the response"
    assert not isinstance(answer(["x" * 1000]), InPieces)


async def test_who_takes_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the rest, so that the server closes the connection; the budget has its bytes back."""
    monkeypatch.setattr(pieces, "SLOWEST_BYTES_PER_S", 10_000_000)
    metrics = Metrics()
    limits = Limits(read_settings({}), metrics, files=None)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)
        if len(sent) == 2:
            await asyncio.Event().wait()

    async with asyncio.timeout(30):
        await answer(["x" * 300_000])(_scope(limits, metrics, stall_s=0.1), _nothing, send)
    assert len(sent) == 2
    assert limits.answers.held_bytes == 0


async def test_over_the_budget_nothing_is_begun() -> None:
    metrics = Metrics()
    limits = Limits(read_settings({}), metrics, files=None)
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    with limits.answers.share("alice") as share:
        share.take(16_777_000)
        with pytest.raises(Limited):
            await answer(["x" * 300_000])(_scope(limits, metrics), _nothing, send)
    assert sent == []
