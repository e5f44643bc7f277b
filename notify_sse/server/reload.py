"""SIGHUP: the program starts anew, with the code that is installed by now, on the same sockets and under the same pid.

`exec` keeps the process, its children and its open files. So the new program takes over the listening sockets and the
workers of the one before; nobody is refused meanwhile. It is tried beforehand (`serve --check`): a program that could
not start would leave nobody to look after the workers.
"""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final, Never

import msgspec

HANDED_ON: Final = "_NOTIFY_SSE_HANDED_ON"
"""The environment variable in which one program tells the next what it leaves to it."""
TRIAL_S: Final = 30.0


class HandedOn(msgspec.Struct, frozen=True):
    """What a program leaves to its successor: the descriptors of the listening sockets, the pids of the workers that
    serve, and the folder of their metrics. `admin` is None without an ADMIN_PORT.
    """

    listener: int
    workers: tuple[int, ...] = ()
    metrics: str = ""
    admin: int | None = None


class Successor:
    """The program that takes over from a process without workers, once SIGHUP has asked for it."""

    def __init__(self, listening_socket: socket.socket, admin_socket: socket.socket | None) -> None:
        self._sockets = (listening_socket, admin_socket)
        self._left: HandedOn | None = None

    def ask_for(self) -> None:
        """Keep the listening sockets for it: who connects until it is there waits in their backlog. Another SIGHUP
        changes nothing from now on, and must not end anything either.
        """
        if self._left is None:
            signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
            listening, admin = self._sockets
            self._left = HandedOn(os.dup(listening.fileno()), admin=os.dup(admin.fileno()) if admin else None)

    def dismiss(self) -> None:
        """The process is to end after all: nobody waits for a program that does not come."""
        left, self._left = self._left, None
        for descriptor in (left.listener, left.admin) if left else ():
            if descriptor is not None:
                os.close(descriptor)

    def take_over(self) -> None:
        """Become it, when it was asked for: then this does not return."""
        if self._left is not None:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGHUP})
            start_anew(self._left)


def handed_on() -> HandedOn | None:
    """What the program before left, None when this process was started. Told once."""
    given = os.environ.pop(HANDED_ON, None)
    if given is None:
        return None
    found = msgspec.json.decode(given, type=HandedOn)
    _set_inheritable(found, inheritable=False)
    return found


def objection() -> str:
    """Why the program that is installed now could not start, as it says so itself; "" when it could. Takes seconds."""
    command = [*_command(), "--check"]
    try:
        tried = subprocess.run(command, capture_output=True, text=True, timeout=TRIAL_S, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired) as exc:
        return f"it cannot be tried ({type(exc).__name__})"
    if tried.returncode == 0:
        return ""
    said = tried.stderr.strip().splitlines()
    return said[-1] if said else f"it ended with {tried.returncode}"


def start_anew(left: HandedOn) -> Never:
    """Become the program that is installed now. Does not return."""
    _set_inheritable(left, inheritable=True)
    os.environ[HANDED_ON] = msgspec.json.encode(left).decode()
    sys.stderr.flush()
    command = _command()
    os.execv(command[0], command)  # noqa: S606


def _set_inheritable(left: HandedOn, *, inheritable: bool) -> None:
    for descriptor in (left.listener, left.admin):
        if descriptor is not None:
            os.set_inheritable(descriptor, inheritable)


def _command() -> list[str]:
    """How this process was started. A script by its own path, not by the interpreter that ran it: where the path has a
    link that was moved, the first line of the script that is there now names another interpreter.
    """
    script = sys.orig_argv[1:2]
    if script and Path(script[0]).is_file() and os.access(script[0], os.X_OK):
        return sys.orig_argv[1:]
    return [sys.executable, *sys.orig_argv[1:]]
