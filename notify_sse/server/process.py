"""One process: runs its parts, from the start to the end of its drain.

Starts whether or not the database and the broker are there, and says so once. On SIGTERM: readiness off, ingest
stops and finishes what it holds, streams are told and closed over DRAIN_S, then the process ends.
"""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final, cast

from hypercorn.asyncio import serve as hypercorn_serve
from hypercorn.config import Config

from notify_sse.broker import look_at_members
from notify_sse.config import Settings
from notify_sse.core.ports import STORE_RETRY_S, Listener
from notify_sse.errors import BadConfiguration, BrokerUnavailable, SchemaOutdated, StoreUnavailable
from notify_sse.log.watch import watch
from notify_sse.server import reload
from notify_sse.server.admin import AdminServer
from notify_sse.server.ending import END_S, Deadline, cancelled
from notify_sse.server.garbage import GarbagePolicy
from notify_sse.server.listening import BACKLOG, url_of
from notify_sse.server.members_watch import MembersWatch
from notify_sse.server.parts import Parts
from notify_sse.server.reload import Successor
from notify_sse.web.door import ServerLoop
from notify_sse.web.http.version import keep_to_http1

logger = logging.getLogger(__name__)

GRACE_S: Final = 0.5
"""For the last bytes of closed connections, out of DRAIN_S."""


class Process:
    """The tasks that run the parts, as far as the role of the process needs them."""

    def __init__(
        self,
        settings: Settings,
        *,
        on_ready: Callable[[], None] | None = None,
        successor: Successor | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.settings = settings
        self.parts = Parts(settings, spawn=self._spawn)
        self._members = MembersWatch(
            lambda: look_at_members(
                settings.broker_url, prefix=settings.amqp_prefix, management_url=settings.broker_management_url
            )
        )
        self._on_ready = on_ready
        self._successor = successor
        self._deadline = deadline
        self._tasks: set[asyncio.Task[None]] = set()
        self._stop = asyncio.Event()
        self._exit_code = 0

    async def run(self, listening_socket: socket.socket, *, admin_socket: socket.socket | None = None) -> int:
        """Serve on `listening_socket` until SIGTERM or SIGINT, and the admin API on `admin_socket` when there is one.
        Returns the exit code.
        """
        loop = cast(ServerLoop, asyncio.get_running_loop())
        loop.doors = self.parts.doors
        loop.set_exception_handler(_on_loop_exception)
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, self._end)
        if self._successor:
            loop.add_signal_handler(signal.SIGHUP, lambda: self._spawn(self._hang_up()))
        await self.parts.verifier.start()
        self._spawn(self._work())
        self._spawn(self.parts.way_out.pump.run())
        sockets = self.parts.doors.sockets
        self._spawn(GarbagePolicy(self.parts.way_out.registry, passed_on=lambda: sockets.passed_on).run())
        self._spawn(self._refresh_metrics())
        self._spawn(self.parts.loop_lag.run())
        self._spawn(self.parts.sampling.run())
        if not self.settings.embedded_broker:
            self._spawn(self._members.run())
        role = self.settings.role
        if role != "gateway":
            self._spawn(self.parts.pause.run())
        await self.parts.broker.start(
            Listener(
                on_connected=self._connected,
                on_delivery=None if role == "gateway" else self.parts.ingest.deliver,
                on_returned=self._returned,
                on_oversized=self.parts.ingest.oversized,
                on_announcement=None if role == "ingest" else self.parts.live_messages.hear,
                traces=self.parts.tracing is not None,
            )
        )
        admin = self._serve_admin(admin_socket) if admin_socket else None
        logger.info("serving", extra={"action": "start", "url": url_of(listening_socket), "role": role})
        try:
            await hypercorn_serve(
                cast(Any, self.parts.app),
                _server_config(listening_socket, self.settings),
                shutdown_trigger=partial(self._drained, listening_socket.fileno()),
                mode="asgi",
            )
            await self.parts.doors.sockets.emptied()
        finally:
            if admin:
                _stop_accepting(admin.listening_number)
                await self.parts.doors.all_answered(within_s=GRACE_S)
                await admin.stop()
            await self._close()
        logger.info("stopped", extra={"action": "stop", "exit_code": self._exit_code})
        return self._exit_code

    def _serve_admin(self, admin_socket: socket.socket) -> AdminServer:
        cast(ServerLoop, asyncio.get_running_loop()).without_door = admin_socket.fileno()
        config = _server_config(admin_socket, self.settings)
        admin = AdminServer(self.parts.admin_app, config, listening_number=admin_socket.fileno())
        self._spawn(admin.run())
        logger.info("serving the admin API", extra={"action": "start", "url": url_of(admin_socket)})
        return admin

    async def _work(self) -> None:
        """Open the store, then run everything that needs it."""
        if not await self._open_store():
            return
        # Nobody is let in before all revocations are known: streams wait for the relay, publishes for the appender.
        self._spawn(self.parts.revocations.run())
        await self.parts.revocations.when_known()
        self._spawn(self.parts.appender.run())
        self._spawn(self.parts.sampling.run_upkeep())
        if self.parts.journal_writer:
            self._spawn(self.parts.journal_writer.run())
        if self.settings.role == "ingest":
            self._spawn(watch(self.parts.store, self.parts.store_outage))
        else:
            await self.parts.rollout_watch.ask()
            self._spawn(self.parts.rollout_watch.run())
            limits = self.settings
            self._spawn(
                self.parts.way_out.relay.run(max_events=limits.tail_max_events, max_bytes=limits.tail_max_bytes)
            )
        if self.settings.role != "gateway":
            self._spawn(self.parts.ingest.run())
            self._spawn(self.parts.retention.run())
        if self.settings.role != "ingest":
            await self.parts.way_out.relay.when_filled()
            if self.parts.journal_writer:
                await self.parts.journal_writer.begun()
        if self._on_ready:
            self._on_ready()

    async def _open_store(self) -> bool:
        while True:
            try:
                await self.parts.store.open()
            except StoreUnavailable as exc:
                self.parts.store_outage.lost("open", str(exc), advice=exc.advice)
                await asyncio.sleep(STORE_RETRY_S)
            except (BadConfiguration, SchemaOutdated) as exc:
                logger.error("the database cannot be used: %s", exc, extra={"action": "open"})  # noqa: TRY400 - one line
                self._exit_code = os.EX_CONFIG
                self._stop.set()
                return False
            else:
                self.parts.store_outage.back("open")
                return True

    async def _hang_up(self) -> None:
        """Drain for the program that is installed now, if that could start. Otherwise everything goes on as it is."""
        if objection := await asyncio.to_thread(reload.objection):
            logger.error("not reloaded, everything goes on: %s", objection, extra={"action": "reload"})
        elif self._successor and not self._stop.is_set():
            logger.info("reloading", extra={"action": "reload"})
            self._successor.ask_for()
            self._stop.set()

    def _end(self) -> None:
        """SIGTERM or SIGINT. When it drains for another program already, that does not come."""
        if self._successor:
            self._successor.dismiss()
        self._stop.set()

    def _connected(self) -> None:
        self.parts.metrics.broker_connects.inc()
        self._members.connected()
        self.parts.way_out.relay.repair()

    def _returned(self) -> None:
        self.parts.ingest.returned()
        self.parts.pause.returned()

    async def _drained(self, listening_number: int) -> None:
        """Hypercorn's shutdown trigger: returns when nothing is left to lose."""
        await self._stop.wait()
        loop = asyncio.get_running_loop()
        began = loop.time()
        self.parts.doors.ending = True
        logger.info("draining", extra={"action": "drain", "streams": len(self.parts.way_out.registry)})
        if self._deadline:
            self._deadline.begin(max(self.settings.drain_s, self.settings.drain_min_s) + END_S)
        self.parts.way_out.admission.draining = True
        within_s = max(0.0, self.settings.drain_s - 2 * GRACE_S)
        await asyncio.gather(
            self._stop_ingest(within_s),
            self.parts.way_out.registry.drain(within_s),
            # Whoever still sends connections here has not looked at the readiness yet.
            asyncio.sleep(self.settings.drain_min_s),
        )
        # Hypercorn ends what it has while it still accepts: who came last would be let in, and not answered.
        _stop_accepting(listening_number)
        await self.parts.doors.all_answered(within_s=max(GRACE_S, began + within_s - loop.time()))
        # Hypercorn, which closes what it has, does not know of what is held at the doors.
        self.parts.doors.close_silent()
        loop.call_later(GRACE_S, self.parts.doors.sockets.cut)

    async def _stop_ingest(self, within_s: float) -> None:
        try:
            async with asyncio.timeout(within_s):
                await self.parts.broker.stop_consuming()
                await self.parts.ingest.finish()
        except (TimeoutError, BrokerUnavailable):
            logger.warning("some deliveries were not finished; the broker redelivers", extra={"action": "drain"})

    async def _close(self) -> None:
        parts = self.parts
        await cancelled(self._tasks)
        if parts.journal_writer and parts.store_outage.reached("open"):
            await parts.journal_writer.finish()
        await parts.broker.close()
        # At once: each waits a while for its database, and that may be away.
        pools = (parts.rollout_records, parts.records, parts.journal, parts.store, parts.erasure, parts.reads)
        await asyncio.gather(*(pool.close() for pool in pools))
        await parts.verifier.close()
        parts.metrics.flush()
        if parts.tracing:
            await parts.tracing.close()

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
            self.parts.metrics.refresh()


def _stop_accepting(listening_number: int) -> None:
    loop = asyncio.get_running_loop()
    if isinstance(loop, ServerLoop):
        loop.stop_accepting(listening_number)


def _on_loop_exception(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """As asyncio does, but for a cancellation, which is no error. At the end Hypercorn cancels the connections that
    still wait for something, such as a lost database; before 3.12 asyncio logs each with a traceback.
    """
    if not isinstance(context.get("exception"), asyncio.CancelledError):
        loop.default_exception_handler(context)


def run(
    settings: Settings,
    listening_socket: socket.socket,
    *,
    admin_socket: socket.socket | None = None,
    on_ready: Callable[[], None] | None = None,
    successor: Successor | None = None,
) -> int:
    """Run one process until it is told to stop; returns the exit code. Raises `BadConfiguration`.

    `on_ready` is called once, when it could serve streams. With a `successor`, SIGHUP asks for that and drains, unless
    the program that is installed now could not start.
    """
    deadline = Deadline()

    async def main() -> int:
        process = Process(settings, on_ready=on_ready, successor=successor, deadline=deadline)
        return await process.run(listening_socket, admin_socket=admin_socket)

    try:
        with asyncio.Runner(loop_factory=ServerLoop) as runner:
            return runner.run(main())
    finally:
        deadline.met()


def _server_config(listening_socket: socket.socket, settings: Settings) -> Config:
    keep_to_http1(request_timeout_s=settings.request_timeout_s)
    config = Config()
    config.bind = [f"fd://{listening_socket.fileno()}"]
    config.backlog = BACKLOG
    config.accesslog = None
    config.errorlog = logging.getLogger("hypercorn.error")
    config.graceful_timeout = 2 * GRACE_S
    config.include_server_header = False
    config.keep_alive_timeout = settings.keep_alive_s
    config.keep_alive_max_requests = 100_000
    return config
