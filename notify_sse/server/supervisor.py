"""Several worker processes behind one listening socket (`serve --workers N`).

Hypercorn's own workers end together; ours do not: one that dies is replaced after a back-off while the others go on,
and SIGTERM drains all of them at once. SIGHUP replaces them one after the other. The supervisor runs no event loop: it
forks, waits, and passes signals on.
"""

import ctypes
import logging
import os
import random
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from notify_sse.auth import Verifier
from notify_sse.config import Settings
from notify_sse.core.backoff import Backoff
from notify_sse.errors import BadConfiguration
from notify_sse.server.listening import listen

logger = logging.getLogger(__name__)

FIRST_RESTART_S: Final = 0.5
LAST_RESTART_S: Final = 5.0
STEADY_S: Final = 10.0
"""A worker that lived for so long is replaced at once when it dies."""
READY: Final = signal.SIGUSR1
"""A worker's word to its supervisor that it is ready to serve."""
SIGNALS: Final = frozenset((signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, READY))
_PR_SET_PDEATHSIG: Final = 1


def serve(settings: Settings) -> int:
    """Run the service as `settings` say; returns the exit code. Raises `BadConfiguration`."""
    Verifier(settings)  # a key that cannot be used is told once, and not by every worker
    listening_socket = listen(settings)
    if settings.workers == 1:
        return _run()(settings, listening_socket)
    with tempfile.TemporaryDirectory(prefix="notify-sse-metrics-") as directory:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory  # before prometheus-client is imported
        work = partial(_run(), settings, on_ready=partial(os.kill, os.getpid(), READY))
        return Supervisor(work, listening_socket, count=settings.workers).run()


def _run() -> Callable[..., int]:
    from notify_sse.server.process import run  # noqa: PLC0415  (the metrics' mode is chosen before it is imported)

    return run


class Supervisor:
    """Keeps `count` workers running. `work` is a worker: given the listening socket, it returns an exit code."""

    def __init__(self, work: Callable[[socket.socket], int], listening_socket: socket.socket, *, count: int) -> None:
        self._work = work
        self._listening_socket = listening_socket
        self._count = count
        self._started: dict[int, float] = {}
        self._backoff = Backoff(first_s=FIRST_RESTART_S, last_s=LAST_RESTART_S, draw=random.random)
        self._restart_at = 0.0
        self._retiring: list[int] = []
        self._stopping = False
        self._exit_code = 0

    def run(self) -> int:
        """Supervise until SIGTERM or SIGINT and until every worker has ended. Returns 0, or a worker's failure."""
        signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
        for _ in range(self._count):
            self._start()
        while self._started or not self._stopping:
            due_s = self._restart_at - time.monotonic() if self._missing() else 3600.0
            received = signal.sigtimedwait(SIGNALS, max(0.0, due_s))
            if received is not None:
                self._handle(signal.Signals(received.si_signo))
            self._reap()
            if self._missing() and time.monotonic() >= self._restart_at:
                self._start()
        return self._exit_code

    def _missing(self) -> bool:
        return not self._stopping and len(self._started) < self._count

    def _handle(self, received: signal.Signals) -> None:
        if received in (signal.SIGTERM, signal.SIGINT):
            self._stopping = True
            self._signal_all(signal.SIGTERM)
        elif received is signal.SIGHUP and not self._stopping:
            logger.info("replacing the workers one by one", extra={"action": "reload"})
            self._retiring = list(self._started)
            self._retire_next()
        elif received is READY:
            self._retire_next()

    def _retire_next(self) -> None:
        """One step of the replacement; the next follows when the new worker is ready, and never if it is not."""
        while self._retiring:
            pid = self._retiring.pop()
            if pid in self._started:
                os.kill(pid, signal.SIGTERM)
                return

    def _signal_all(self, wanted: signal.Signals) -> None:
        for pid in self._started:
            os.kill(pid, wanted)

    def _start(self) -> None:
        pid = os.fork()
        if pid == 0:
            self._become_worker()
        self._started[pid] = time.monotonic()
        logger.info("worker started", extra={"action": "worker", "pid": pid})

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
            self._note_end(pid, os.waitstatus_to_exitcode(status))

    def _note_end(self, pid: int, code: int) -> None:
        lived_s = time.monotonic() - self._started.pop(pid)
        _forget_metrics(pid)
        if code == os.EX_CONFIG and not self._stopping:
            self._stopping = True
            self._signal_all(signal.SIGTERM)
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
            extra={"action": "worker", "pid": pid, "exit_code": code, "delay_s": delay_s},
        )


def _forget_metrics(pid: int) -> None:
    """Take a dead worker's gauges out of the sums; its counts stay."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415  (as `_run`)

    mark_process_dead(pid)  # type: ignore[no-untyped-call]


def _die_with_parent() -> None:
    """Drain when the supervisor is gone, even by SIGKILL, so that no orphan keeps the port (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
