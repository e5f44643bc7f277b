"""One process, wired and run: the only place that knows the adapters.

Starts whether or not the database and the broker are there, and says so once. On SIGTERM: readiness off, ingest
stops and finishes what it holds, streams are told and closed over DRAIN_S, then the process ends.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from typing import Any, Final, cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from notify_sse.auth import Verifier
from notify_sse.auth.refusals import Refusals
from notify_sse.auth.revocations import Revocations
from notify_sse.broker import open_broker
from notify_sse.broker.live import LiveExchange
from notify_sse.config import Settings
from notify_sse.core.hub import Hub
from notify_sse.core.ports import STORE_RETRY_S, Listener
from notify_sse.core.tail import Tail
from notify_sse.errors import BadConfiguration, BrokerUnavailable, SchemaOutdated, StoreUnavailable
from notify_sse.gateway.admission import Admission, Limits
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.live import LiveMessages
from notify_sse.gateway.pump import Pump
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.log.announce import Announcer
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.pause import Pause
from notify_sse.log.retention import Retention
from notify_sse.log.watch import watch
from notify_sse.server.garbage import GarbagePolicy
from notify_sse.server.listening import BACKLOG, url_of
from notify_sse.store import open_store
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import Outage
from notify_sse.web import STREAM_PATH, build
from notify_sse.web.door import Doors, ServerLoop
from notify_sse.web.http.version import keep_to_http1
from notify_sse.web.service import Service

logger = logging.getLogger(__name__)

GRACE_S: Final = 0.5
"""For the last bytes of closed connections, out of DRAIN_S."""
KEEP_ALIVE_S: Final = 75.0
"""How long a TCP connection may lie idle, before its first request or between two."""
HISTORY_CONNECTIONS: Final = 2
"""Beside those of the replays, so that a page of the history need not wait for them."""


class Process:
    """The parts of one process and the tasks that run them."""

    def __init__(self, settings: Settings, *, on_ready: Callable[[], None] | None = None) -> None:
        self.settings = settings
        self._on_ready = on_ready
        self._store_outage = Outage("the store")
        self.metrics = metrics = Metrics()
        self.store = open_store(settings.database_url, replay_connections=settings.max_replays + HISTORY_CONNECTIONS)
        self.broker = open_broker(
            settings.broker_url,
            prefix=settings.amqp_prefix,
            held_bytes=settings.ingest_max_bytes,
            message_bytes=settings.max_notification_bytes,
            publish_timeout_s=settings.publish_timeout_s,
        )
        self.tail = Tail(max_events=settings.tail_max_events, max_bytes=settings.tail_max_bytes)
        hub: Hub[Connection] = Hub()
        self.pump = Pump(
            self.store,
            self.tail,
            metrics,
            heartbeat_s=settings.heartbeat_s,
            stall_s=settings.stall_s,
            max_replays=settings.max_replays,
            retry_ms=settings.retry_ms,
        )
        self.registry = Registry(self.pump, hub, metrics)
        self.relay = Relay(
            self.store,
            self.tail,
            hub,
            metrics,
            outage=self._store_outage,
            drive=self.pump.drive,
        )
        self.live_messages = LiveMessages(
            metrics, take=self.relay.take, revoke=self.registry.end_token, repair=self.relay.repair
        )
        self.admission = Admission(
            self.tail,
            self.relay,
            self.registry,
            metrics,
            limits=Limits(
                max_streams=settings.max_streams,
                max_streams_per_recipient=settings.max_streams_per_recipient,
                serves=settings.role != "ingest",
            ),
        )
        tell_others = None if settings.embedded_broker else LiveExchange(self.broker, metrics, spawn=self._spawn).tell
        announcer = Announcer(take_here=None if settings.role == "ingest" else self.relay.take, tell_others=tell_others)
        revocations = Revocations(end_here=self.registry.end_token, tell_others=tell_others)
        self.appender = Appender(self.store, metrics, outage=self._store_outage, on_committed=announcer.announce)
        self.ingest = Ingest(
            self.broker,
            self.appender,
            metrics,
            batch=settings.ingest_batch,
            max_bytes=settings.max_notification_bytes,
        )
        self.pause = Pause(self.broker, self._store_outage)
        self.retention = Retention(self.store, metrics, retention_s=settings.retention_s)
        refusals = Refusals(lambda reason: metrics.tokens_refused.labels(reason).inc())
        self.verifier = Verifier(settings, on_refused=refusals.note)
        self.service = Service(
            settings,
            metrics=metrics,
            store=self.store,
            tail=self.tail,
            relay=self.relay,
            registry=self.registry,
            admission=self.admission,
            appender=self.appender,
            verifier=self.verifier,
            store_outage=self._store_outage,
            end_token=revocations.revoke,
        )
        self._app = build(self.service)
        self._doors = Doors(
            self._app, path=STREAM_PATH, request_timeout_s=settings.request_timeout_s, keep_alive_s=KEEP_ALIVE_S
        )
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._exit_code = 0
        self._expose_gauges()

    async def run(self, listening_socket: socket.socket) -> int:
        """Serve on `listening_socket` until SIGTERM or SIGINT. Returns the exit code."""
        loop = cast(ServerLoop, asyncio.get_running_loop())
        loop.doors = self._doors
        loop.set_exception_handler(_on_loop_exception)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._stop.set)
        await self.verifier.start()
        self._spawn(self._work())
        self._spawn(self.pump.run())
        self._spawn(GarbagePolicy(self.registry).run())
        self._spawn(self._refresh_metrics())
        role = self.settings.role
        if role != "gateway":
            self._spawn(self.pause.run())
        await self.broker.start(
            Listener(
                on_connected=self._connected,
                on_delivery=None if role == "gateway" else self.ingest.deliver,
                on_returned=self._returned,
                on_oversized=self.ingest.oversized,
                on_announcement=None if role == "ingest" else self.live_messages.hear,
            )
        )
        logger.info("serving", extra={"action": "start", "url": url_of(listening_socket), "role": role})
        try:
            await hypercorn_serve(
                cast(Any, self._app),
                _server_config(listening_socket, self.settings),
                shutdown_trigger=self._drained,
                mode="asgi",
            )
            await self._doors.sockets.emptied()
        finally:
            await self._close()
        logger.info("stopped", extra={"action": "stop", "exit_code": self._exit_code})
        return self._exit_code

    async def _work(self) -> None:
        """Open the store, then run everything that needs it."""
        if not await self._open_store():
            return
        self._spawn(self.appender.run())
        if self.settings.role == "ingest":
            self._spawn(watch(self.store, self._store_outage))
        else:
            limits = self.settings
            self._spawn(self.relay.run(max_events=limits.tail_max_events, max_bytes=limits.tail_max_bytes))
        if self.settings.role != "gateway":
            self._spawn(self.ingest.run())
            self._spawn(self.retention.run())
        if self.settings.role != "ingest":
            await self.relay.when_filled()
        if self._on_ready:
            self._on_ready()

    async def _open_store(self) -> bool:
        while True:
            try:
                await self.store.open()
            except StoreUnavailable as exc:
                self._store_outage.lost("open", str(exc), advice=exc.advice)
                await asyncio.sleep(STORE_RETRY_S)
            except (BadConfiguration, SchemaOutdated) as exc:
                logger.error("the database cannot be used: %s", exc, extra={"action": "open"})  # noqa: TRY400 - one line
                self._exit_code = os.EX_CONFIG
                self._stop.set()
                return False
            else:
                self._store_outage.back("open")
                return True

    def _connected(self) -> None:
        self.metrics.broker_connects.inc()
        self.relay.repair()

    def _returned(self) -> None:
        self.ingest.returned()
        self.pause.returned()

    async def _drained(self) -> None:
        """Hypercorn's shutdown trigger: returns when nothing is left to lose."""
        await self._stop.wait()
        logger.info("draining", extra={"action": "drain", "streams": len(self.registry)})
        self.admission.draining = True
        within_s = max(0.0, self.settings.drain_s - 2 * GRACE_S)
        await asyncio.gather(self._stop_ingest(within_s), self.registry.drain(within_s))
        # Hypercorn, which closes what it has, does not know of what is held at the doors.
        self._doors.close_silent()
        asyncio.get_running_loop().call_later(GRACE_S, self._doors.sockets.cut)

    async def _stop_ingest(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self.broker.stop_consuming()
                await self.ingest.finish()
        except (TimeoutError, BrokerUnavailable):
            logger.warning("some deliveries were not finished; the broker redelivers", extra={"action": "drain"})

    async def _close(self) -> None:
        for task in (tasks := list(self._tasks)):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.broker.close()
        await self.store.close()
        await self.verifier.close()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        """A part that crashes takes the process down: half a process would serve half the promise."""
        self._tasks.discard(task)
        if not task.cancelled() and (exc := task.exception()):
            logger.error("a part crashed; stopping", extra={"action": "crash"}, exc_info=exc)
            self._exit_code = 1
            self._stop.set()

    async def _refresh_metrics(self) -> None:
        while True:
            await asyncio.sleep(1)
            self.metrics.refresh()

    def _retention_lag_s(self) -> float:
        """0 in a process that removes nothing."""
        return 0.0 if self.settings.role == "gateway" else self.retention.lag_s

    def _expose_gauges(self) -> None:
        gauge = self.metrics.gauge
        gauge("streams", "Streams open now.", lambda: len(self.registry))
        gauge("tail_position", "Id of the newest event in the tail.", lambda: self.tail.position, across="livemin")
        gauge("tail_events", "Events in the tail.", lambda: len(self.tail))
        gauge("tail_bytes", "Estimated size of the tail.", lambda: self.tail.size_bytes)
        gauge("broker_connected", "1 when the broker is connected.", lambda: self.broker.connected, across="livemin")
        gauge(
            "ingest_paused",
            "1 while deliveries are left in the queue, because the store is away.",
            lambda: self.pause.paused,
        )
        gauge(
            "ingest_bytes",
            "Bytes of messages taken from the ingest queue and not acked yet.",
            lambda: self.broker.held_bytes,
        )
        gauge(
            "retention_lag_seconds",
            "Seconds for which removing what is too old is overdue.",
            self._retention_lag_s,
            across="livemax",
        )
        gauge("ready", "1 when the process is ready.", lambda: self.service.unready() is None, across="livemin")


def _on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but for a cancellation, which is no error. At the end Hypercorn cancels the connections that
    still wait for something, such as a lost database; before 3.12 asyncio logs each with a traceback.
    """
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def run(settings: Settings, listening_socket: socket.socket, *, on_ready: Callable[[], None] | None = None) -> int:
    """Run one process until it is told to stop; returns the exit code. Raises `BadConfiguration`.

    `on_ready` is called once, when it could serve streams.
    """

    async def main() -> int:
        return await Process(settings, on_ready=on_ready).run(listening_socket)

    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        return runner.run(main())


def _server_config(listening_socket: socket.socket, settings: Settings) -> Config:
    keep_to_http1()
    config = Config()
    config.bind = [f"fd://{listening_socket.fileno()}"]
    config.backlog = BACKLOG
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 2 * GRACE_S
    config.include_server_header = False
    config.keep_alive_timeout = KEEP_ALIVE_S
    config.keep_alive_max_requests = 100_000
    config.websocket_ping_interval = settings.heartbeat_s
    config.websocket_max_message_size = 16_384
    return config
