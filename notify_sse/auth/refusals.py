"""Counts the tokens that are refused, and logs them at a bounded rate: anyone can cause a refusal, at any rate."""

import logging
import time
from collections.abc import Callable
from typing import Final

from notify_sse.errors import TokenRefused

EVERY_S: Final = 10.0

logger = logging.getLogger(__name__)


class Refusals:
    """`count` is called with the reason of each refusal; `clock` gives monotonic seconds."""

    def __init__(self, count: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._clock = clock
        self._logged_at: dict[str, float] = {}
        self._unlogged: dict[str, int] = {}

    def note(self, refused: TokenRefused) -> None:
        """Count it. Log the first of each reason at once, then one in `EVERY_S`, which says how many there were.

        Never the token, nor whose it is: nothing of a token that does not verify is to be believed.
        """
        reason, now = refused.reason, self._clock()
        self._count(reason)
        self._unlogged[reason] = self._unlogged.get(reason, 0) + 1
        if now - self._logged_at.get(reason, float("-inf")) >= EVERY_S:
            self._logged_at[reason] = now
            extra = {
                "action": "token_refused",
                "reason": reason,
                "detail": str(refused),
                "refused": self._unlogged.pop(reason),
            }
            logger.info("tokens refused", extra=extra)
