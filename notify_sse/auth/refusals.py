"""Counts the tokens that are refused, and logs them at a bounded rate: anyone can cause a refusal, at any rate."""

import logging
import time
from collections.abc import Callable

from notify_sse.errors import TokenRefused
from notify_sse.telemetry.bounded import BoundedLogger

logger = logging.getLogger(__name__)


class Refusals:
    """`count` is called with the reason of each refusal; `clock` gives monotonic seconds."""

    def __init__(self, count: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._count = count
        self._log = BoundedLogger(logger, "tokens refused", action="token_refused", clock=clock)

    def note(self, refused: TokenRefused) -> None:
        """Count it and log it.

        Never the token, nor whose it is: nothing of a token that does not verify is to be believed.
        """
        self._count(refused.reason)
        self._log.note(refused.reason, reason=refused.reason, detail=str(refused))
