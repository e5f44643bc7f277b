"""An EventSource for the terminal: follows one recipient's stream across drops, drains and expiring tokens.

Below `tail`. Built on httpx-sse; what it adds is what a browser's EventSource and our client do: the cursor, `retry:`,
a watchdog on heartbeats, and when to give up.
"""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Any, Final

import httpx
import msgspec
from httpx_sse import EventSource as Frames
from httpx_sse import ServerSentEvent, SSEError

from notify_sse.cli.remote import bearer, refused
from notify_sse.config import is_local_url
from notify_sse.core.backoff import Backoff

CONNECT_TIMEOUT_S: Final = 10.0
SILENCE_S: Final = 60.0
"""How long nothing may come before the service has said how often it sends heartbeats."""
BEATS: Final = 2.5
"""After so many heartbeats' time of silence the connection counts as dead."""
FIRST_RETRY_S: Final = 1.0
LAST_RETRY_S: Final = 8.0


class Received(msgspec.Struct, frozen=True):
    """A notification, and the cursor after it."""

    cursor: str
    document: dict[str, Any]


class Note(msgspec.Struct, frozen=True):
    """What happened on the way, for people; `reset` holds the data of a reset."""

    text: str
    cursor: str = ""
    reset: dict[str, Any] | None = None


class EventSource:
    """The stream at `url`. `token_for` gives the token of each connection. `cursor` is where it stands."""

    def __init__(
        self, url: str, *, token_for: Callable[[], str], topics: Sequence[str] = (), cursor: str | None = None
    ) -> None:
        self.cursor = cursor
        self._url = url
        self._token_for = token_for
        self._params = {"topics": ",".join(topics)} if topics else {}
        self._silence_s = SILENCE_S
        self._told_retry_s: float | None = None
        self._backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        self._last_note = ""

    async def events(self) -> AsyncGenerator[Received | Note, None]:
        """Notifications in order, each once, and notes, for ever.

        Raises `ServiceRefused` when the service says that trying again is no use. Close it to disconnect.
        """
        timeout = httpx.Timeout(CONNECT_TIMEOUT_S, read=None)
        async with httpx.AsyncClient(
            base_url=self._url, timeout=timeout, trust_env=not is_local_url(self._url)
        ) as client:
            while True:
                reason = ""
                try:
                    async with aclosing(self._connection(client)) as connection:
                        async for event in connection:
                            yield event
                except (httpx.HTTPError, SSEError) as exc:
                    reason = str(exc) or type(exc).__name__
                except TimeoutError:
                    reason = "nothing was heard for too long"
                wait_s = self._pause_s()
                note = f"disconnected ({reason or 'the stream ended'}), reconnecting"
                if note != self._last_note:
                    self._last_note = note
                    yield Note(note)
                await asyncio.sleep(wait_s)

    def _pause_s(self) -> float:
        """What the service asked for, once; then what the back-off says."""
        told, self._told_retry_s = self._told_retry_s, None
        pause_s = self._backoff.next_s()
        return pause_s if told is None else told

    async def _connection(self, client: httpx.AsyncClient) -> AsyncGenerator[Received | Note, None]:
        headers = {"Accept": "text/event-stream", **bearer(self._token_for())}
        if self.cursor:
            headers["Last-Event-ID"] = self.cursor
        async with client.stream("GET", "/notifications/stream", params=self._params, headers=headers) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                refusal = refused(response)
                if not refusal.passing:
                    raise refusal
                raise httpx.HTTPError(str(refusal))
            frames = aiter(Frames(response).aiter_sse())
            while True:
                async with asyncio.timeout(self._silence_s):
                    frame = await anext(frames, None)
                if frame is None:
                    return
                event = self._read(frame)
                if event is not None:
                    yield event

    def _read(self, frame: ServerSentEvent) -> Received | Note | None:
        """What a frame means. The cursor moves with every id, also that of a heartbeat."""
        if frame.retry is not None:
            self._told_retry_s = frame.retry / 1000
        if not frame.data:
            return None
        data = json.loads(frame.data)
        if frame.id:
            self.cursor = frame.id
        if frame.event == "message":
            return Received(self.cursor or "", data)
        return self._control(frame.event, data)

    def _control(self, event: str, data: dict[str, Any]) -> Note | None:
        if event in ("connected", "reset"):
            self._backoff.reset()
            self._last_note = ""
        if event == "connected":
            self._silence_s = max(BEATS * float(data["heartbeat_s"]), 5.0)
            return Note(f"connected at {data['cursor']}")
        if event == "reset":
            return Note(f"reset ({data['reason']}): some may be missing", self.cursor or "", data)
        if event == "closing":
            if "retry_ms" in data:
                self._told_retry_s = data["retry_ms"] / 1000
            return Note(f"the service closes the stream ({data['reason']})")
        return None
