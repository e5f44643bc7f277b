"""The pump: drives every connection of the process.

The hub says whom to wake; the pump lets each pull and write until it sleeps again. No queue per stream and no idle
task: a write that does not have to wait is done on the spot (`eager`); one that does goes on in a task of its own, and
so does a replay. So no client is ever waited for in the path that serves the others.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Iterable
from contextlib import suppress
from typing import Final, assert_never

from notify_sse.core.frames import CloseReason, Control, Frame, Reset, closing, connected, expiring, heartbeat
from notify_sse.core.hub import Hub
from notify_sse.core.model import recipient_channel
from notify_sse.core.ports import Store
from notify_sse.core.stream import Stream, Turn
from notify_sse.core.tail import Tail
from notify_sse.gateway import eager, replay
from notify_sse.gateway.connection import NEVER, Connection, Due
from notify_sse.gateway.deadlines import Deadlines, Fallen
from notify_sse.gateway.replay import Replays
from notify_sse.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

SLICE: Final = 64
"""Connections served in one go; between two slices the event loop sees to everything else."""
PIECE_BYTES: Final = 16_384
FEW: Final = 4
"""So many frames are written without looking at their size; more are cut into pieces."""
DRAIN_SPREAD: Final = 0.6
"""The part of the drain time over which streams are closed; the rest is for their last bytes."""


class Pump:
    """Opens, drives and ends connections. Everything but `run`, `open` and `drain` is synchronous."""

    def __init__(
        self,
        store: Store,
        tail: Tail,
        hub: Hub,
        metrics: Metrics,
        *,
        heartbeat_s: float,
        stall_s: float,
        max_replays: int,
        retry_ms: int,
    ) -> None:
        self._tail = tail
        self._hub = hub
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._retry_ms = retry_ms
        self._replays = Replays(store, metrics, at_once=max_replays)
        self._ready: deque[Connection] = deque()
        self._slicing = False
        self._draining = False
        self._drained = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self.deadlines = Deadlines(heartbeat_s=heartbeat_s, stall_s=stall_s)
        self._frames_sent = 0
        self._jitter = random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.connections: set[Connection] = set()
        self.opened = self.closed = 0

    def retry_ms(self) -> int:
        """A reconnect delay for one client, spread so that a crowd does not come back at once."""
        return int(self._retry_ms * self._jitter.uniform(0.5, 1.5))

    async def open(self, connection: Connection, *, connection_id: str, reset: Reset | None) -> None:
        """Greet, tell of the `reset` if there is one, then replay and go live. Pair with `leave` in a `finally`."""
        now = time.monotonic()
        connection.opened_at = now
        connection.last_sent = now - self._jitter.uniform(0, 0.5) * self._heartbeat_s
        connection.ends_at = now + connection.expires_at - time.time()
        connection.task = asyncio.current_task()
        self.connections.add(connection)
        self.opened += 1
        self._metrics.streams_opened.labels(connection.transport).inc()
        self._hub.join(connection)
        connection.busy = True  # what falls due meanwhile, such as `closing`, waits for the greeting
        greeting = connected(
            connection.seen(self._tail),
            resumable=reset is None or reset.reason == "expired",
            heartbeat_s=self._heartbeat_s,
            connection_id=connection_id,
            retry_ms=self.retry_ms(),
        )
        await connection.control(greeting)
        if reset:
            await self._tell(connection, reset)
        connection.busy = False
        self.deadlines.watch(connection, now)
        if self._draining:  # it was admitted before, and no list has it
            self.end(connection, "drain")
        self.drive((connection,))

    def leave(self, connection: Connection) -> None:
        """The connection is over, from whichever side. Idempotent."""
        connection.gone = True
        if connection in self.connections:
            self.connections.discard(connection)
            self.closed += 1
            self._hub.leave(connection)
            self._metrics.streams_closed.labels(connection.close_reason or "client").inc()
            if not self.connections:
                self._drained.set()

    def drive(self, streams: Iterable[Stream]) -> None:
        """Let each of `streams` pull and write until it sleeps. The first slice at once, the others in turns."""
        self._ready.extend(streams)  # type: ignore[arg-type]  # every stream that joins the hub is a Connection
        if not self._slicing:
            self._serve_slice()

    def end(self, connection: Connection, reason: CloseReason) -> None:
        """Say `closing` with `reason`, then end."""
        if connection.close_reason is None:
            connection.close_reason = reason
            self._owe(connection, Due.CLOSING)

    def of(self, owner: str) -> list[Connection]:
        """The open connections of one recipient."""
        return [one for one in self._hub.readers(recipient_channel(owner)) if isinstance(one, Connection)]

    def revoke(self, token_id: str) -> None:
        """End every connection that was opened with this token."""
        for connection in [one for one in self.connections if one.token_id == token_id]:
            self.end(connection, "revoked")

    async def drain(self, within_s: float) -> None:
        """End every connection, spread over the time given, so that they do not all come back at once."""
        self._draining = True
        waiting = list(self.connections)
        self._jitter.shuffle(waiting)
        loop = asyncio.get_running_loop()
        start, spread_s = loop.time(), within_s * DRAIN_SPREAD
        for number, connection in enumerate(waiting):
            await asyncio.sleep(max(0.0, start + spread_s * number / len(waiting) - loop.time()))
            self.end(connection, "drain")
        self._drained.clear()
        if self.connections:
            with suppress(TimeoutError):
                async with asyncio.timeout_at(start + within_s):
                    await self._drained.wait()

    async def run(self) -> None:
        """Do what falls due: heartbeats, ends of tokens, stalled clients. Until cancelled."""
        while True:
            await asyncio.sleep(self.deadlines.resolution_s)
            for count, (connection, fallen) in enumerate(self.deadlines.due(time.monotonic()), 1):
                self._attend(connection, fallen)
                if count % SLICE == 0:
                    await asyncio.sleep(0)
            self._metrics.frames_sent.inc(self._frames_sent)
            self._frames_sent = 0

    def _attend(self, connection: Connection, fallen: Fallen) -> None:
        match fallen:
            case Fallen.HEARTBEAT:
                self._owe(connection, Due.HEARTBEAT)
            case Fallen.EXPIRING:
                self._owe(connection, Due.EXPIRING)
            case Fallen.TOKEN_END:
                self.end(connection, "token_expired")
            case Fallen.STALL:
                connection.close_reason = connection.close_reason or "slow_consumer"
                connection.abandon()
            case _:
                assert_never(fallen)

    def _owe(self, connection: Connection, due: Due) -> None:
        connection.due |= due
        self.drive((connection,))

    def _serve_slice(self) -> None:
        for _ in range(min(SLICE, len(self._ready))):
            connection = self._ready.popleft()
            if not connection.busy and not connection.gone:
                try:
                    self._serve_now(connection)
                except Exception:
                    logger.exception("a stream broke", extra={"action": "serve"})
                    connection.abandon()
        self._slicing = bool(self._ready)
        if self._slicing:
            asyncio.get_running_loop().call_soon(self._serve_slice)

    def _serve_now(self, connection: Connection) -> None:
        """The common case without a coroutine: little to send, a transport that takes it, and back to sleep."""
        waiting: Awaitable[None] | None = None
        turn: list[Frame] | Turn | Reset | None = None
        while waiting is None and not (connection.due or connection.close_reason or connection.gone):
            turn = connection.pull(self._tail, now_ms=int(time.time() * 1000))
            if turn is Turn.ASLEEP:
                return
            if not isinstance(turn, list) or len(turn) > FEW:
                break
            if turn:
                waiting = connection.write(turn)
                connection.last_sent = time.monotonic()
                self._frames_sent += len(turn)
                turn = None
        connection.busy = True
        if task := eager.start(self._serve(connection, turn, waiting)):
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(
        self, connection: Connection, turn: list[Frame] | Turn | Reset | None, waiting: Awaitable[None] | None
    ) -> None:
        """Go on with `turn`, once what was written before is taken, until it sleeps.

        `busy` keeps it to one at a time; it falls asleep and lets go in one step.
        """
        try:
            if waiting:
                connection.writing_since = time.monotonic()
                await waiting
                connection.writing_since, connection.last_sent = NEVER, time.monotonic()
            while not connection.gone:
                if connection.due and not turn:
                    await self._pay(connection)
                    continue
                if connection.close_reason and not turn:
                    return
                turn = turn or connection.pull(self._tail, now_ms=int(time.time() * 1000))
                if turn is Turn.ASLEEP:
                    return
                if turn is Turn.COLD:
                    turn = await self._read(connection)
                await self._give(connection, turn)
                turn = None
        except Exception:
            logger.exception("a stream broke", extra={"action": "serve"})
            connection.abandon()
        finally:
            connection.busy = False

    async def _give(self, connection: Connection, turn: list[Frame] | Reset | Turn) -> None:
        if isinstance(turn, Reset):
            await self._tell(connection, turn)
        elif isinstance(turn, list) and turn:
            connection.writing_since = time.monotonic()
            await self._write(connection, turn)
            connection.writing_since, connection.last_sent = NEVER, time.monotonic()

    async def _write(self, connection: Connection, frames: list[Frame]) -> None:
        """Send `frames` piece by piece.

        When the client keeps us waiting, what is left is forgotten, and pulled again when it goes on: a stalled client
        holds one piece in memory, not a page.
        """
        sent, total = 0, len(frames)
        while sent < total and not connection.gone:
            piece = _piece(frames, sent)
            sent += len(piece)
            self._frames_sent += len(piece)
            waiting = connection.write(piece)
            if (waiting or connection.gone) and sent < total:
                connection.rewind(piece[-1].id)
                replay.shrink(connection, taken=sent)
                total = sent
                frames.clear()  # for those too who called us with them
            if waiting:
                del piece
                await waiting
            elif sent == total:
                replay.grow(connection)

    async def _tell(self, connection: Connection, reset: Reset) -> None:
        self._metrics.resets.labels(reset.reason).inc()
        await self._control(connection, reset.control(connection.topics))

    async def _control(self, connection: Connection, control: Control) -> None:
        connection.writing_since = time.monotonic()
        await connection.control(control)
        connection.writing_since, connection.last_sent = NEVER, time.monotonic()

    async def _pay(self, connection: Connection) -> None:
        """Write the control events that are due, as of now."""
        due, connection.due = connection.due, Due.NOTHING
        cursor = connection.seen(self._tail)
        if due & Due.EXPIRING:
            left_s = max(0.0, connection.ends_at - time.monotonic())
            await self._control(connection, expiring(cursor, expires_in_s=left_s))
        if due & Due.CLOSING and connection.close_reason:
            await self._control(connection, closing(cursor, reason=connection.close_reason, retry_ms=self.retry_ms()))
            await connection.finish()
            connection.gone = True
        elif due & Due.HEARTBEAT:
            await self._control(connection, heartbeat(cursor))

    async def _read(self, connection: Connection) -> list[Frame] | Reset:
        """A page of the log for a cold stream. Sends what falls due while the store keeps it waiting."""
        await asyncio.sleep(0)  # leaves the eager part: a store's timeouts need a task of their own
        reading = asyncio.ensure_future(self._replays.read(connection))
        try:
            while not connection.gone and not (await asyncio.wait((reading,), timeout=self.deadlines.resolution_s))[0]:
                if connection.due:
                    await self._pay(connection)
        finally:
            reading.cancel()
        return [] if connection.gone else reading.result()


def _piece(frames: list[Frame], start: int) -> list[Frame]:
    """The frames from `start` that fill a piece; at least one."""
    size = 0
    for place in range(start, len(frames)):
        size += len(frames[place].data)
        if size > PIECE_BYTES and place > start:
            return frames[start:place]
    return frames[start:] if start else frames
