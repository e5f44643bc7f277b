"""What a run of the load tool is to do, and where it tells how far it is."""

import sys
import time
from typing import Final

import msgspec

TOLD_EVERY_S: Final = 0.5
LOGGED_EVERY_S: Final = 10.0
"""Where nobody watches (a file, CI), lines are fewer."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """How much of everything. `at_once`: connects in flight in each client process."""

    streams: int = 1000
    rate: float = 500.0
    seconds: float = 10.0
    filler: int = 100
    at_once: int = 100
    client_processes: int = 2
    sources: tuple[str, ...] = ("127.0.0.2", "127.0.0.3", "127.0.0.4", "127.0.0.5")
    warm_up_s: float = 2.0
    burst: int = 5000
    broadcasts: int = 10
    replay: int = 20_000
    churn_per_s: float = 50.0
    limit_ms: float = 100.0
    ramp_from: float = 500.0
    ramp_step_s: float = 8.0
    ramp_steps: int = 24
    settle_s: float = 10.0
    rest_s: float = 2.0


class Progress:
    """Says on stderr what goes on: one line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._watched = sys.stderr.isatty()
        self._told = 0.0
        self._shown = False

    def now(self, text: str) -> None:
        """How far it is; dropped when the last was a moment ago."""
        every_s = TOLD_EVERY_S if self._watched else LOGGED_EVERY_S
        if self._quiet or time.monotonic() - self._told < every_s:
            return
        self._told = time.monotonic()
        self._write(f"\r\x1b[K{text}" if self._watched else f"{text}\n")
        self._shown = self._watched

    def step(self, text: str) -> None:
        """Something begins."""
        if not self._quiet:
            self._write(f"\r\x1b[K{text}\n" if self._shown else f"{text}\n")
            self._shown = False
            self._told = time.monotonic()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
