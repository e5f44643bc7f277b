"""Log records that anyone can cause, at any rate: written at a bounded rate, with how many there were."""

import logging
import time
from collections.abc import Callable
from typing import Any, Final

EVERY_S: Final = 10.0
MAX_KINDS: Final = 1000


class BoundedLogger:
    """Logs `message` at INFO. `clock` gives monotonic seconds."""

    def __init__(
        self, logger: logging.Logger, message: str, *, action: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._logger = logger
        self._message = message
        self._action = action
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, kind: str, **fields: Any) -> None:
        """Log the first of each kind at once, then one in `EVERY_S`, whose `refused` says how many there were."""
        now = self._clock()
        if kind not in self._unlogged and len(self._unlogged) >= MAX_KINDS:
            kind = "other"
        self._unlogged[kind] = self._unlogged.get(kind, 0) + 1
        if now - self._logged_at.get(kind, float("-inf")) >= EVERY_S:
            self._logged_at[kind] = now
            refused, self._unlogged[kind] = self._unlogged[kind], 0
            self._logger.info(self._message, extra={"action": self._action, **fields, "refused": refused})
