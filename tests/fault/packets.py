"""Packets to and from a port of this machine, dropped by the kernel: the real half-open peer. Needs root."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from tests.support.services import CannotStart, ensure


def available() -> bool:
    """Whether rules can be made here: by root, on a kernel that knows iptables; the command is installed if missing."""
    if os.geteuid() != 0:
        return False
    with suppress(CannotStart):
        ensure("iptables")
    return shutil.which("iptables") is not None and _iptables("-S", "INPUT")


class PacketFilter:
    """The rules that stand; each names one port, so that nobody else on the machine is met."""

    def __init__(self) -> None:
        self._rules: list[tuple[str, ...]] = []

    @contextmanager
    def dropping(self, port: int | str, *, directions: Sequence[str] = ("up", "down")) -> Iterator[None]:
        """Drop what goes to `port` (or to a range, `first:last`) (up), what comes from it (down), or both."""
        rules = [
            ("INPUT", "-i", "lo", "-p", "tcp", "--dport" if direction == "up" else "--sport", str(port), "-j", "DROP")
            for direction in directions
        ]
        for rule in rules:
            _iptables("-I", *rule)
            self._rules.append(rule)
        try:
            yield
        finally:
            for rule in rules:
                if rule in self._rules:
                    self._rules.remove(rule)
                    _iptables("-D", *rule)

    def clear(self) -> None:
        """Remove what is left."""
        while self._rules:
            _iptables("-D", *self._rules.pop())


def _iptables(*arguments: str) -> bool:
    return subprocess.run(["iptables", "-w", "5", *arguments], check=False, capture_output=True).returncode == 0
