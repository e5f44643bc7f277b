"""The size of a run: how many streams, what rate, how long. And `Progress`, which prints how far the run is."""

import sys
import time
from typing import Final

import msgspec

SHOWN_EVERY_S: Final = 0.5
LOGGED_EVERY_S: Final = 10.0
"""Where nobody watches (a file, CI), a line comes less often."""


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The amounts of a run; every scenario reads those that concern it.

    `topics` is how many topics each stream names beside its recipient, of the service's own kind of stream.
    `at_once` is how many connects are in flight in each client process. `filler` is the bytes of text in each payload.
    `sources` are the loopback addresses that the clients connect from: each has its own range of ports.
    """

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
    broadcasts_per_s: float = 0.5
    replay: int = 20_000
    churn_per_s: float = 50.0
    limit_ms: float = 100.0
    ramp_from: float = 500.0
    ramp_step_s: float = 8.0
    ramp_steps: int = 24
    settle_s: float = 10.0
    rest_s: float = 2.0
    websocket: bool = False
    topics: int = 0


class Progress:
    """Prints progress to stderr: one line that changes on a terminal, a line every ten seconds elsewhere."""

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._terminal = sys.stderr.isatty()
        self._shown_at = 0.0
        self._line_open = False

    def update(self, text: str) -> None:
        """Show how far the run is. Dropped when the last line is too young."""
        every_s = SHOWN_EVERY_S if self._terminal else LOGGED_EVERY_S
        if self._quiet or time.monotonic() - self._shown_at < every_s:
            return
        self._shown_at = time.monotonic()
        self._write(f"\r\x1b[K{text}" if self._terminal else f"{text}\n")
        self._line_open = self._terminal

    def begin(self, text: str) -> None:
        """Show on a line of its own what begins now."""
        if not self._quiet:
            self._write(f"\r\x1b[K{text}\n" if self._line_open else f"{text}\n")
            self._line_open = False
            self._shown_at = time.monotonic()

    def _write(self, text: str) -> None:
        sys.stderr.write(text)
        sys.stderr.flush()
