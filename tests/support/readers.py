"""Clients that drop and resume, and a record of all they saw for the checker."""

import asyncio
import contextlib
import random
from collections.abc import Sequence

import msgspec

from tests.support.checker import Reader, Seen
from tests.support.contract import channel_of, channels_of, cursor_of
from tests.support.event_stream import Message
from tests.support.sightings import control_sighting
from tests.support.streams import OpenStream, open_stream

_decode = msgspec.json.Decoder().decode


class ResumingReader:
    """One recipient's client: comes back with its Last-Event-ID after every drop, whoever dropped it.

    `record` is what it saw, as the checker wants it. `run` it as a task; cancel it to end it.
    """

    def __init__(
        self, url: str, *, name: str, recipient: str, token: str, topics: Sequence[str], chance: random.Random
    ) -> None:
        self.record = Reader(name, channels_of(recipient, topics), [])
        self.drops = 0
        self.resumed = 0
        self.statuses: set[int] = set()
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._params = {"topics": ",".join(topics)} if topics else {}
        self._chance = chance
        self._last_event_id = ""
        self._brought = ""
        self._stream: OpenStream | None = None

    @property
    def position(self) -> int:
        """How far it has come, by its Last-Event-ID."""
        return cursor_of(self._last_event_id).position if self._last_event_id else -1

    def drop(self) -> None:
        """Cut its connection, wherever it is: within a replay, a frame, the answer's head."""
        if self._stream:
            self.drops += 1
            self._stream.drop()

    async def run(self) -> None:
        """Stay connected, until cancelled."""
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                await self._connect_once()
            await asyncio.sleep(self._chance.uniform(0.01, 0.2))

    async def _connect_once(self) -> None:
        self._brought = self._last_event_id
        stream = await open_stream(
            self._url,
            on_message=self._hear,
            params=self._params,
            headers=self._headers,
            last_event_id=self._last_event_id,
            within_s=30,
        )
        self._stream = stream
        self.statuses.add(stream.status)
        try:
            await stream.ended
        finally:
            self._stream = None
            stream.drop()

    def _hear(self, message: Message) -> None:
        data = _decode(message.data)
        self._last_event_id = message.last_event_id
        sightings = self.record.sightings
        if message.event == "message":
            place = cursor_of(message.last_event_id)
            sightings.append(Seen(place, data["notification_id"], channel_of(data), data["payload"]["n"]))
            return
        if message.event == "closing" and data["reason"] == "busy":
            return  # refused for load: there was no stream
        if message.event == "connected":
            self.resumed += bool(self._brought)
        sightings.append(control_sighting(message.event, data, brought=self._brought))
