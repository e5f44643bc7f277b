"""The pump: drives every connection of the process.

The hub says whom to wake; the pump lets each pull and write until it sleeps again. There is no queue per stream and no
idle task. One thing is done for a connection at a time. When it has to be waited for, a task does that, and the
connection goes on where it was. So no client is ever waited for in the path that serves the others.
"""

import asyncio
import logging
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from functools import partial
from typing import Any, Final

from notify_sse.core.control import CloseReason, Closing, Expiring, Heartbeat, Reset
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, piece_of
from notify_sse.core.ports import Store
from notify_sse.core.stream import StreamState
from notify_sse.core.tail import Tail
from notify_sse.gateway import replay
from notify_sse.gateway.connection import Connection, Due
from notify_sse.gateway.deadlines import Deadlines
from notify_sse.gateway.delivery_times import DeliveryTimes
from notify_sse.gateway.greeting import Greetings
from notify_sse.gateway.replay import Replays
from notify_sse.gateway.unread import UnreadCounts
from notify_sse.telemetry.metrics import Metrics

logger = logging.getLogger(__name__)

SLICE: Final = 64
"""Connections served in one go; between two slices the event loop sees to everything else."""
PIECE_BYTES: Final = 16_384
FEW: Final = 4
"""So many frames are written without looking at their size; more are cut into pieces."""


class Pump:
    """Everything but `run` is synchronous."""

    def __init__(
        self,
        store: Store,
        tail: Tail,
        metrics: Metrics,
        *,
        heartbeat_s: float,
        stall_s: float,
        max_replays: int,
        retry_ms: int,
        unread: UnreadCounts | None = None,
        delivery_times: DeliveryTimes | None = None,
    ) -> None:
        self._tail = tail
        self._metrics = metrics
        self._heartbeat_s = heartbeat_s
        self._greetings = Greetings(tail, unread, heartbeat_s=heartbeat_s, retry_ms=retry_ms)
        self.replays = Replays(store, metrics, at_once=max_replays)
        self._ready: deque[Connection] = deque()
        self._slicing = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._frames_sent = 0
        self._delivery_times = delivery_times or DeliveryTimes(metrics)
        self._slow: set[Connection] = set()
        self._heartbeat = Heartbeat(tail.cursor)
        self._slice_at, self._slice_ms = 0.0, 0  # when it began: monotonic seconds, Unix milliseconds
        self._jitter = random.Random()  # noqa: S311 - spreads load, keeps no secret
        self.deadlines = Deadlines(heartbeat_s=heartbeat_s, stall_s=stall_s)
        self.on_moved: Callable[[Connection, Reset], None] | None = None
        """Told of each stream that goes on elsewhere, because its log broke off or retention overtook it."""

    def start(self, connection: Connection) -> None:
        """Greet, tell of the reset if there is one, then replay and go live. It has joined the hub before."""
        now = time.monotonic()
        connection.opened_at = self._tail.position
        connection.timing.begin(
            now,
            last_sent=now - self._jitter.uniform(0, 0.5) * self._heartbeat_s,
            ends_at=now + connection.expires_at - time.time(),
        )
        self.deadlines.watch(connection, now)
        self._schedule(connection, Due.CONNECTED | Due.RESET if connection.reset else Due.CONNECTED)

    def renew(self, connection: Connection, expires_at: float) -> None:
        """Its token ends at `expires_at` from now on, be that later or sooner than before."""
        now = time.monotonic()
        connection.expires_at = expires_at
        connection.due &= ~Due.EXPIRING
        connection.timing.renew(now, ends_at=now + expires_at - time.time())
        self.deadlines.watch(connection, now)

    def drive(self, connections: Iterable[Connection]) -> None:
        """Let each of `connections` pull and write until it sleeps. The first slice at once, the rest later."""
        self._ready.extend(connections)
        if not self._slicing:
            self._serve_slice()

    def close(self, connection: Connection, reason: CloseReason) -> None:
        """Say `closing` with `reason`, then end. A connection that closes already keeps its first reason."""
        if connection.close(reason):
            self._schedule(connection, Due.CLOSING)

    async def run(self) -> None:
        """Do what falls due: heartbeats, ends of tokens, stalled clients. Until cancelled."""
        while True:
            await asyncio.sleep(self.deadlines.resolution_s)
            for count, (connection, due) in enumerate(self.deadlines.due(time.monotonic()), 1):
                self._on_deadline(connection, due)
                if count % SLICE == 0:
                    await asyncio.sleep(0)
            self._delivery_times.settle()
            self._metrics.frames_sent.inc(self._frames_sent)
            self._frames_sent = 0

    @property
    def slow_readers(self) -> int:
        """How many connections wait for their client to take what was written."""
        return len(self._slow)

    @property
    def buffered_bytes(self) -> int:
        """How many bytes they hold that their clients have not taken."""
        return sum(connection.transport.buffered_bytes for connection in self._slow)

    def _on_deadline(self, connection: Connection, due: int) -> None:
        if due == Due.STALL:
            connection.close("slow_consumer")
            connection.abandon()
        elif due == Due.TOKEN_END:
            self.close(connection, "token_expired")
        else:
            self._schedule(connection, due)

    def _schedule(self, connection: Connection, due: int) -> None:
        connection.due |= due
        self.drive((connection,))

    def _serve_slice(self) -> None:
        self._slice_at, self._slice_ms = time.monotonic(), int(time.time() * 1000)
        for _ in range(min(SLICE, len(self._ready))):
            connection = self._ready.popleft()
            try:
                self._serve(connection)
            except Exception:
                logger.exception("a stream broke", extra={"action": "serve"})
                connection.abandon()
        self._slicing = bool(self._ready)
        self._delivery_times.settle(served=not self._slicing)
        if self._slicing:
            asyncio.get_running_loop().call_soon(self._serve_slice)

    def _serve(self, connection: Connection) -> None:
        """One thing after another, until it sleeps, ends, or something has to be waited for."""
        stream = connection.stream
        # A busy connection is not served twice at once: it goes on by itself, and pulls what came meanwhile.
        while not (connection.gone or connection.busy):
            # What the stream says of itself goes first: a greeting before anything, a heartbeat with the cursor of now.
            if connection.due:
                waiting = self._write_due_control(connection)
            # Closing is said; whatever else comes is for the next connection of this client.
            elif connection.close_reason:
                return
            # Pulling and falling asleep are one step: nothing can arrive in between.
            elif isinstance(pulled := stream.pull(self._tail, now_ms=self._slice_ms), list):
                waiting = self._write_frames(connection, pulled)
                if waiting is None and stream.sleeps(self._tail):
                    return  # the hub wakes it
            elif pulled is StreamState.ASLEEP:
                return
            else:
                waiting = self._move(connection, pulled) if isinstance(pulled, Reset) else self._replay(connection)
            if waiting is not None:
                self._wait(connection, waiting)
                return

    def _wait(self, connection: Connection, waiting: Coroutine[Any, Any, None]) -> None:
        """It is busy until its client, or the log, has kept it waiting for long enough."""
        connection.busy = True
        task = asyncio.get_running_loop().create_task(waiting)
        self._tasks.add(task)
        task.add_done_callback(partial(self._go_on, connection))

    def _go_on(self, connection: Connection, waited: asyncio.Task[None]) -> None:
        """What it waited for is there, or has failed."""
        self._tasks.discard(waited)
        connection.busy = False
        if waited.cancelled():
            return
        if exc := waited.exception():
            logger.error("a stream broke", extra={"action": "serve"}, exc_info=exc)
            connection.abandon()
            return
        self.drive((connection,))

    def _write_frames(self, connection: Connection, frames: list[Frame]) -> Coroutine[Any, Any, None] | None:
        """Send `frames` piece by piece. What is left when the client keeps us waiting is forgotten, and pulled again
        when it goes on: a stalled client holds one piece in memory, not a page.
        """
        sent, total = 0, len(frames)
        while sent < total:
            piece = frames if total <= FEW else piece_of(frames, sent, max_bytes=PIECE_BYTES)
            sent += len(piece)
            self._frames_sent += len(piece)
            self._delivery_times.note(piece, opened_at=connection.opened_at)
            waiting = connection.transport.write(piece)
            if waiting is None:
                continue
            if sent < total:
                connection.stream.rewind(piece[-1].id)
                replay.shrink(connection, taken=sent)
            return self._taken(connection, waiting)
        if total:
            connection.timing.wrote(self._slice_at)
        return None

    def _move(self, connection: Connection, reset: Reset) -> Coroutine[Any, Any, None] | None:
        if self.on_moved is not None:
            self.on_moved(connection, reset)
        return self._write_reset(connection, reset)

    def _write_reset(self, connection: Connection, reset: Reset) -> Coroutine[Any, Any, None] | None:
        self._metrics.resets.labels(reset.reason).inc()
        return self._taken(connection, connection.transport.write_control(reset))

    def _write_due_control(self, connection: Connection) -> Coroutine[Any, Any, None] | None:
        """Write the first control event that is due, as of now."""
        due, transport = connection.due, connection.transport
        if due & (Due.CONNECTED | Due.COUNTED):
            return self._greet(connection)
        if due & Due.RESET and connection.reset:
            connection.due &= ~Due.RESET
            reset, connection.reset = connection.reset, None
            return self._write_reset(connection, reset)
        cursor = connection.stream.seen(self._tail)
        if due & Due.EXPIRING:
            connection.due &= ~Due.EXPIRING
            left_s = max(0.0, connection.timing.ends_at - time.monotonic())
            return self._taken(connection, transport.write_control(Expiring(cursor, left_s)))
        connection.due = Due.NOTHING
        if due & Due.CLOSING and connection.close_reason:
            return self._end(connection, cursor, connection.close_reason)
        if cursor != self._heartbeat.cursor:
            self._heartbeat = Heartbeat(cursor)  # one for all who have seen as much
        return self._taken(connection, transport.write_control(self._heartbeat))

    def _greet(self, connection: Connection) -> Coroutine[Any, Any, None] | None:
        """Write the greeting; once it is counted what is unread, if that is not known. The connection is busy until
        then.
        """
        is_first = connection.due & Due.CONNECTED
        connection.due &= ~(Due.CONNECTED | Due.COUNTED)
        if is_first and self._greetings.counts_first(connection, self._counted):
            connection.busy = True
            return None
        return self._taken(connection, connection.transport.write_control(self._greetings.of(connection)))

    def _counted(self, connection: Connection) -> None:
        """Hundreds are counted together: they are greeted a slice at a time, like everybody."""
        connection.busy = False
        connection.due |= Due.COUNTED
        self._ready.append(connection)
        if not self._slicing:
            self._slicing = True
            asyncio.get_running_loop().call_soon(self._serve_slice)

    async def _end(self, connection: Connection, cursor: Cursor, reason: CloseReason) -> None:
        event = Closing(cursor, reason, retry_ms=self._greetings.spread_retry_ms())
        if step := self._taken(connection, connection.transport.write_control(event)):
            await step
        if step := self._taken(connection, connection.transport.finish(reason)):
            await step
        connection.leave()

    def _taken(self, connection: Connection, waiting: Awaitable[None] | None) -> Coroutine[Any, Any, None] | None:
        """Note the time of a write. None when the client took it at once, else what waits until it has."""
        if waiting is None:
            connection.timing.wrote(time.monotonic())
            return None
        self.deadlines.wait(connection, time.monotonic())
        self._slow.add(connection)
        return self._until_taken(connection, waiting)

    async def _until_taken(self, connection: Connection, waiting: Awaitable[None]) -> None:
        try:
            await waiting
        finally:
            self._slow.discard(connection)
        connection.timing.wrote(time.monotonic())

    async def _replay(self, connection: Connection) -> None:
        """Read a page of the log for a cold stream, and write it. What falls due meanwhile is written at once."""
        reading = asyncio.ensure_future(self.replays.read(connection))
        try:
            while not (await asyncio.wait((reading,), timeout=self.deadlines.resolution_s))[0]:
                if connection.gone:
                    return
                if connection.due and (step := self._write_due_control(connection)):
                    await step
        finally:
            reading.cancel()
        if connection.gone:
            return
        self._slice_at = time.monotonic()  # the last slice may have been a while ago
        taken = replay.take(connection.stream, reading.result())
        step = self._move(connection, taken) if isinstance(taken, Reset) else self._write_frames(connection, taken)
        if step:
            await step
        else:
            replay.grow(connection)
