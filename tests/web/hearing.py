"""What one reader hears by each transport, from a cursor to the notification that ends the test for everybody."""

import asyncio
import json
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from websockets.asyncio.client import connect

from tests.support.api import STREAM, Api, bearer
from tests.support.streams import Listening, open_stream

WITHIN_S: Final = 30.0
PASSED_OVER: Final = ("connected", "heartbeat")


class Said(NamedTuple):
    """One event: its name and its data."""

    event: str
    data: dict[str, Any]


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """Who reads, from where, and until which notification_id. `connected` is released once live events would come."""

    api: Api
    recipient: str
    topics: Sequence[str]
    after: str
    until: str
    connected: asyncio.Semaphore

    @property
    def query(self) -> dict[str, str]:
        """The topics, as all transports name them."""
        return {"topics": ",".join(self.topics)} if self.topics else {}

    @property
    def headers(self) -> dict[str, str]:
        """The token."""
        return bearer(self.api.service.token(self.recipient, topics=self.topics))

    def is_last(self, heard: Sequence[Said]) -> bool:
        """Whether nothing more is waited for."""
        return bool(heard) and heard[-1].event == "message" and heard[-1].data["notification_id"] == self.until


async def by_stream(ask: Ask) -> list[Said]:
    """The event stream."""
    url = ask.api.service.url + STREAM
    heard: list[Said] = []
    async with await Listening.open(url, params=ask.query, headers=ask.headers, last_event_id=ask.after) as stream:
        await stream.event("connected")
        ask.connected.release()
        while not ask.is_last(heard):
            message = await stream.next(within_s=WITHIN_S)
            if message.event not in PASSED_OVER:
                heard.append(Said(message.event, message.json()))
    return heard


async def by_websocket(ask: Ask) -> list[Said]:
    """The WebSocket."""
    query = "&".join(f"{name}={value}" for name, value in {"last_event_id": ask.after, **ask.query}.items())
    url = f"ws://127.0.0.1:{ask.api.service.port}/notifications/ws?{query}"
    heard: list[Said] = []
    async with connect(url, additional_headers=ask.headers, compression=None, close_timeout=1) as websocket:
        while not ask.is_last(heard):
            async with asyncio.timeout(WITHIN_S):
                frame = json.loads(await websocket.recv())
            if frame["event"] == "connected":
                ask.connected.release()
            if frame["event"] not in PASSED_OVER:
                heard.append(Said(frame["event"], frame["data"]))
    return heard


async def by_polling(ask: Ask) -> list[Said]:
    """Pages of the history: the first at once, then as long polls. Items and the service's own events, in order."""
    heard: list[Said] = []
    cursor, wait_s = ask.after, 0
    while not ask.is_last(heard):
        page = await _page(ask, {"after": cursor, "limit": "500", "wait": str(wait_s), **ask.query})
        if not wait_s:
            ask.connected.release()
        events = [(one["cursor"], Said("message", one)) for one in page["items"]]
        events += [(one["cursor"], Said(one["event"], one["data"])) for one in page.get("events", [])]
        heard += [said for _, said in sorted(events, key=lambda one: int(one[0].rpartition(".")[2]))]
        cursor, wait_s = page["cursor"], 20
    return heard


async def _page(ask: Ask, params: dict[str, str]) -> dict[str, Any]:
    """One page, on a connection of its own. (httpx takes seconds to choose among hundreds of them.)"""
    url, headers = f"{ask.api.service.url}/notifications/history", {**ask.headers, "Connection": "close"}
    answer = await open_stream(url, on_message=lambda _: None, params=params, headers=headers, within_s=WITHIN_S)
    async with asyncio.timeout(WITHIN_S):
        await answer.ended
    page: dict[str, Any] = json.loads(answer.body)
    return page


TRANSPORTS: Final[dict[str, Callable[[Ask], Coroutine[Any, Any, list[Said]]]]] = {
    "stream": by_stream,
    "websocket": by_websocket,
    "long poll": by_polling,
}
