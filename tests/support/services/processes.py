"""Child processes and the pids behind them: start, signal, find the children of, wait for the end of.

Everything here goes by pid, never by name, and a pid counts only together with the time its process started, so
that a pid which the kernel gave to somebody else in the meantime is never signalled. Linux only (/proc).
"""

import contextlib
import functools
import itertools
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

PORTS = range(20_000, 30_000)
"""Below the kernel's ephemeral range: a server that was killed finds its port free when it is started again, and
a client that calls while it is down cannot connect to itself."""
SHARES = 16
"""Processes that test at the same time take their ports from different shares of them, as far as there are so many."""


class CannotStart(Exception):
    """A server did not start, or cannot be installed; the message is for a person."""


class Process(NamedTuple):
    """A process by pid and start time (in clock ticks since boot)."""

    pid: int
    started: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        stat = _stat(pid)
        return cls(pid, int(stat[19]) if stat else 0)

    @property
    def alive(self) -> bool:
        """Whether it still runs. A child of ours that is dead is reaped."""
        stat = _stat(self.pid)
        if not stat or int(stat[19]) != self.started:
            return False
        if stat[0] in "ZX":
            with contextlib.suppress(ChildProcessError):
                os.waitpid(self.pid, os.WNOHANG)
            return False
        return True

    @property
    def frozen(self) -> bool:
        """Whether it was stopped by SIGSTOP, with all its threads."""
        threads = [_stat(f"{self.pid}/task/{thread}") for thread in _threads(self.pid)]
        return bool(threads) and all(not stat or stat[0] == "T" for stat in threads)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal, if it still runs."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def descendants(self) -> list["Process"]:
        """Its children, their children, and so on, as they are now."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and (stat := _stat(int(entry.name))):
                children.setdefault(int(stat[1]), []).append(int(entry.name))
        found, ahead = [], [self.pid]
        while ahead:
            below = children.get(ahead.pop(), [])
            found += [Process.of(pid) for pid in below]
            ahead += below
        return found

    def freeze(self) -> None:
        """SIGSTOP it and everything below it; the parent first, so that no new child appears. Returns once each stands
        still: a thread that runs goes on for a moment after the signal.
        """
        self.send(signal.SIGSTOP)
        below = self.descendants()
        for process in below:
            process.send(signal.SIGSTOP)
        stopped = (self, *below)
        wait_until(
            lambda: all(process.frozen or not process.alive for process in stopped),
            within_s=20,
            what="SIGSTOP",
            every_s=0.001,
        )

    def thaw(self) -> None:
        """SIGCONT it and everything below it."""
        for process in [*self.descendants(), self]:
            process.send(signal.SIGCONT)

    def kill(self, *, within_s: float = 10) -> None:
        """SIGKILL it and everything below it at one moment; returns once all are gone."""
        self.send(signal.SIGSTOP)
        doomed = [self, *self.descendants()]
        for process in doomed:
            process.send(signal.SIGKILL)
        wait_until(lambda: not any(process.alive for process in doomed), within_s=within_s, what="SIGKILL")

    def end(self, number: signal.Signals, *, within_s: float) -> None:
        """Ask it to end with `number`; SIGKILL whatever is left of it after `within_s`."""
        below = self.descendants()
        self.send(number)
        self.send(signal.SIGCONT)
        try:
            wait_until(lambda: not self.alive, within_s=within_s, what="the end of a process")
        except TimeoutError:
            self.kill()
        for process in below:
            process.send(signal.SIGKILL)


def _threads(pid: int) -> list[str]:
    """The ids of its threads, or nothing when there is no such process."""
    try:
        return [thread.name for thread in Path(f"/proc/{pid}/task").iterdir()]
    except FileNotFoundError:
        return []


def _stat(pid: int | str) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on, or nothing when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def spawn(
    command: Sequence[str | Path], *, log: Path, env: Mapping[str, str], cwd: Path, user: str | None = None
) -> Process:
    """Start `command` in a session of its own, its output appended to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
            user=user,
            group=user,
            extra_groups=[] if user else None,
        )
    child.returncode = 0  # from here on it is reaped by Process.alive; Popen need not warn that it still runs
    return Process.of(child.pid)


def wait_until(condition: Callable[[], object], *, within_s: float, what: str, every_s: float = 0.02) -> None:
    """Poll `condition` until it is true; TimeoutError, naming `what`, once `within_s` have passed."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {within_s:g} s in vain for {what}")
        time.sleep(every_s)


def wait_ready(process: Process, ready: Callable[[], object], *, within_s: float, log: Path) -> None:
    """Poll `ready`; CannotStart with the end of `log` when the process dies or `within_s` pass first."""

    def settled() -> bool:
        return bool(ready()) or not process.alive

    try:
        wait_until(settled, within_s=within_s, what="a server", every_s=0.05)
    except TimeoutError as exc:
        raise CannotStart(f"not ready after {within_s:g} s; the end of {log}:\n{tail(log)}") from exc
    if not process.alive:
        raise CannotStart(f"ended while it started; the end of {log}:\n{tail(log)}")


def accepts(port: int) -> bool:
    """Whether something listens on this loopback port."""
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@functools.cache
def _ports_of(pid: int) -> Iterator[int]:
    worker = os.environ.get("PYTEST_XDIST_WORKER", f"gw{pid}")
    share = PORTS[int(worker.removeprefix("gw")) % SHARES :: SHARES]
    first = random.randrange(len(share))
    return itertools.cycle([*share[first:], *share[:first]])


def free_port() -> int:
    """A loopback port that nobody uses, outside the ephemeral range. None twice, as long as there are others: what is
    to listen there may start much later.
    """
    while True:
        port = next(_ports_of(os.getpid()))
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return port


def tail(log: Path, *, lines: int = 40) -> str:
    """The last lines of a log, or nothing when there is none."""
    try:
        return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
    except FileNotFoundError:
        return ""
