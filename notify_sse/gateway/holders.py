"""Which recipients have how many streams open in this process: kept as streams come and go, so that nobody has to count
ten thousand of them to know who holds most.
"""

from collections.abc import Iterable
from heapq import nlargest
from itertools import islice

from notify_sse.core.journal import Holder
from notify_sse.gateway.connection import Connection


class Holders:
    """`recipients` says how many have a stream. Only one who has several takes memory here."""

    def __init__(self) -> None:
        self.recipients = 0
        self._several: dict[str, int] = {}

    def opened(self, recipient_id: str, number: int) -> None:
        """The recipient has `number` of them now, one more than before."""
        if number == 1:
            self.recipients += 1
        else:
            self._several[recipient_id] = number

    def left(self, recipient_id: str, number: int) -> None:
        """The recipient has `number` of them now, one less than before."""
        if number > 1:
            self._several[recipient_id] = number
            return
        self._several.pop(recipient_id, None)
        if number == 0:
            self.recipients -= 1

    def most(self, count: int, connections: Iterable[Connection]) -> tuple[Holder, ...]:
        """The `count` who have most, and how many each; `connections` are all that are open."""
        held = nlargest(count, self._several.items(), key=lambda one: one[1])
        others = (one.recipient_id for one in connections if one.recipient_id not in self._several)
        held += ((recipient_id, 1) for recipient_id in islice(others, count - len(held)))
        return tuple(Holder(*one) for one in held)
