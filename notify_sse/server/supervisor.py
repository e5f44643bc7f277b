"""Several worker processes behind one listening socket (`serve --workers N`).

Hypercorn's own workers end together; ours do not: one that dies is replaced after a back-off while the others go on,
and SIGTERM drains all of them at once. A worker that cannot start never ends those that serve. On SIGHUP the supervisor
becomes the program that is installed now (`reload`), which replaces the workers one after the other: an old one ends
when a new one is ready. It runs no event loop: it forks, waits, and passes signals on.
"""

import contextlib
import ctypes
import logging
import os
import random
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count as numbers_from
from typing import Final

from notify_sse.auth import Verifier
from notify_sse.config import Settings
from notify_sse.core.backoff import Backoff
from notify_sse.errors import BadConfiguration, StoreUnavailable
from notify_sse.server import reload
from notify_sse.server.listening import listen, listen_for_admin
from notify_sse.server.reload import HandedOn, Successor
from notify_sse.telemetry import tracing
from notify_sse.telemetry.labels import WORKER

logger = logging.getLogger(__name__)

FIRST_RESTART_S: Final = 0.5
LAST_RESTART_S: Final = 5.0
STEADY_S: Final = 10.0
"""A worker that lived for so long is replaced at once when it dies."""
READY: Final = signal.Signals(signal.SIGRTMIN)
"""A worker's word to its supervisor that it is ready to serve. Real-time signals queue: each says from whom it is."""
SIGNALS: Final = frozenset((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, READY))
_PR_SET_PDEATHSIG: Final = 1


def serve(settings: Settings) -> int:
    """Run the service as `settings` say; returns the exit code. Raises `BadConfiguration`."""
    _check(settings)  # what cannot be used is told once, and not by every worker
    left = reload.handed_on()
    listening_socket = socket.socket(fileno=left.listener) if left else listen(settings)
    left_admin = left.admin if left else None
    admin_socket = listen_for_admin(settings) if left_admin is None else socket.socket(fileno=left_admin)
    if settings.workers == 1:
        return _serve_alone(settings, listening_socket, admin_socket)
    _check_system()
    with _metrics_folder(left) as directory:
        ready = partial(os.kill, os.getpid(), READY)
        supervisor = Supervisor(
            partial(_run(), settings, admin_socket=admin_socket, on_ready=ready),
            listening_socket,
            admin_socket=admin_socket,
            count=settings.workers,
            metrics=directory,
            workers=left.workers if left else (),
        )
        return supervisor.run()


def require_startable(settings: Settings) -> None:
    """Whether `serve` could start, as far as a person would be needed. A database that is away is waited for.

    Raises `BadConfiguration`, `SchemaOutdated`.
    """
    _check(settings)
    import uvloop  # noqa: PLC0415  (not needed to supervise)

    from notify_sse.store import check_schema  # noqa: PLC0415

    with contextlib.suppress(StoreUnavailable):
        uvloop.run(check_schema(settings.database_url))


def _check(settings: Settings) -> None:
    """Whether its keys can be used, and traces be sent if they are asked for. Raises `BadConfiguration`."""
    Verifier(settings)
    tracing.require_what_is_asked_for(os.environ)


def _check_system() -> None:
    """Not on macOS, where one process works."""
    if not hasattr(signal, "sigtimedwait"):
        raise BadConfiguration("NOTIFY_SSE_WORKERS: more than one needs a system with sigtimedwait(2), such as Linux")


def _serve_alone(settings: Settings, listening_socket: socket.socket, admin_socket: socket.socket | None) -> int:
    """One process without a supervisor. On SIGHUP it drains, and becomes the program that is installed now; who
    connects meanwhile waits in the backlog.
    """
    successor = Successor(listening_socket, admin_socket)
    code = _run()(settings, listening_socket, admin_socket=admin_socket, successor=successor)
    if code == 0:
        successor.take_over()
    return code


@contextlib.contextmanager
def _metrics_folder(left: HandedOn | None) -> Iterator[str]:
    """Where workers count together; that of the program before, whose workers go on. Removed at the end."""
    directory = left.metrics if left and left.metrics else tempfile.mkdtemp(prefix="notify-sse-metrics-")
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # before prometheus-client is imported
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _run() -> Callable[..., int]:
    from notify_sse.server.process import run  # noqa: PLC0415  (the metrics' mode is chosen before it is imported)

    return run


class Supervisor:
    """Keeps `count` workers running. `work` is a worker: given the listening socket, it returns an exit code.

    `workers` are those of the program before: they serve until each is replaced.
    """

    def __init__(
        self,
        work: Callable[[socket.socket], int],
        listening_socket: socket.socket,
        *,
        admin_socket: socket.socket | None = None,
        count: int,
        metrics: str,
        workers: Sequence[int] = (),
    ) -> None:
        self._work = work
        self._listening_socket = listening_socket
        self._admin_socket = admin_socket
        self._count = count
        self._metrics = metrics
        self._started = dict.fromkeys(workers, time.monotonic())
        self._serving = set(workers)
        self._numbers = {pid: number for number, pid in enumerate(workers, 1)}
        self._backoff = Backoff(first_s=FIRST_RESTART_S, last_s=LAST_RESTART_S, draw=random.random)
        self._restart_at = 0.0
        self._retiring = list(workers)
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT and until every worker has ended. Returns 0, or a worker's failure."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        while self._missing():
            self._start()
        while self._started or not self._stopping:
            due_s = self._restart_at - time.monotonic() if self._missing() else 3600.0
            received = signal.sigtimedwait(SIGNALS, max(0.0, due_s))
            if received is not None:
                self._handle(received.si_signo, sender=received.si_pid)
            self._reap()
            if self._missing() and time.monotonic() >= self._restart_at:
                self._start()
        return self._exit_code

    def _missing(self) -> bool:
        """While workers are replaced there is one more of them: the new one is ready before an old one ends."""
        return not self._stopping and len(self._started) < self._count + bool(self._retiring)

    def _handle(self, received: int, *, sender: int) -> None:
        if received in (signal.SIGTERM, signal.SIGINT):
            self._stop()
        elif received == signal.SIGHUP and not self._stopping:
            self._start_anew()
        elif received == READY and sender in self._started:
            self._serving.add(sender)
            self._retire_next()

    def _stop(self) -> None:
        self._stopping = True
        for pid in self._started:
            os.kill(pid, signal.SIGTERM)

    def _start_anew(self) -> None:
        """Become the program that is installed now, if that could start. Otherwise everything goes on as it is."""
        if objection := reload.objection():
            logger.error("not reloaded, everything goes on: %s", objection, extra={"action": "reload"})
            return
        logger.info("reloading: workers are replaced one by one", extra={"action": "reload"})
        for pid in self._started.keys() - self._serving:
            os.kill(pid, signal.SIGKILL)  # it serves nobody yet, and nobody would wait for it
        admin = self._admin_socket.fileno() if self._admin_socket else None
        reload.start_anew(HandedOn(self._listening_socket.fileno(), tuple(self._serving), self._metrics, admin))

    def _retire_next(self) -> None:
        """One step of the replacement; the next follows when the next new worker is ready, and never if it is not."""
        while self._retiring:
            pid = self._retiring.pop()
            if pid in self._started:
                os.kill(pid, signal.SIGTERM)
                return

    def _start(self) -> None:
        number = next(number for number in numbers_from(1) if number not in self._numbers.values())
        pid = os.fork()
        if pid == 0:
            os.environ[WORKER] = str(number)
            self._become_worker()
        self._started[pid] = time.monotonic()
        self._numbers[pid] = number
        logger.info("worker started", extra={"action": "worker", "worker_pid": pid})

    def _become_worker(self) -> None:
        """In the child: never returns."""
        code = 1
        try:
            _die_with_parent()
            signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.signal(READY, signal.SIG_IGN)
            code = self._work(self._listening_socket)
        except BadConfiguration as exc:
            logger.error("%s", exc, extra={"action": "worker"})  # noqa: TRY400 - one line
            code = os.EX_CONFIG
        except BaseException:
            logger.exception("worker crashed", extra={"action": "worker"})
        finally:
            os._exit(code)

    def _reap(self) -> None:
        while self._started:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            if pid in self._started:  # else one that the program before had given up
                self._note_end(pid, os.waitstatus_to_exitcode(status))

    def _note_end(self, pid: int, code: int) -> None:
        lived_s = time.monotonic() - self._started.pop(pid)
        self._numbers.pop(pid, None)
        served = pid in self._serving
        self._serving.discard(pid)
        _forget_metrics(pid)
        if not served and code != 0 and self._retiring:
            self._retiring.clear()
            logger.error("workers are not replaced: a new one cannot start", extra={"action": "reload"})
        if code == os.EX_CONFIG and not self._stopping and not self._serving:
            self._stop()
        if self._stopping or code == 0:
            self._exit_code = self._exit_code or max(0, code)
            self._restart_at = 0.0
            return
        if steady := lived_s >= STEADY_S:
            self._backoff.reset()
        delay_s = 0.0 if steady else round(self._backoff.next_s(), 3)
        self._restart_at = time.monotonic() + delay_s
        logger.warning(
            "worker died; another takes its place",
            extra={"action": "worker", "worker_pid": pid, "exit_code": code, "delay_s": delay_s},
        )


def _forget_metrics(pid: int) -> None:
    """Take a dead worker's gauges out of the sums; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  (as `_run`)

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _die_with_parent() -> None:
    """Drain when the supervisor is gone, even by SIGKILL, so that no orphan keeps the port (prctl(2)). Linux only."""
    with contextlib.suppress(AttributeError, OSError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
