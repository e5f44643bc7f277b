"""Bytes under way: how many a process holds for its clients at a time, in all and for each principal.

For what is large and stays as long as a client pleases: bodies that are not complete, answers that are not read.
"""

from collections import Counter
from collections.abc import Callable
from typing import Final, Self

from notify_sse.errors import Limited, Overloaded

RETRY_S: Final = 1.0


class Budget:
    """`most` bytes in all, `each` for one principal. `limit` is its name, for those whose share is used up;
    `on_limited` hears it.
    """

    def __init__(self, limit: str, *, most: int, each: int, on_limited: Callable[[str], None]) -> None:
        self._limit = limit
        self._most = most
        self._each = each
        self._on_limited = on_limited
        self._held: Counter[str] = Counter()
        self.held_bytes = 0

    def check(self, principal: str, size: int = 1) -> None:
        """Raises `Limited` when `size` more would be too much for `principal`, `Overloaded` when for everybody."""
        held = self._held.get(principal, 0)
        if held and held + size > self._each:
            self._on_limited(self._limit)
            raise Limited(self._limit, retry_after_s=RETRY_S)
        if self.held_bytes and self.held_bytes + size > self._most:
            raise Overloaded("too many bytes are under way", retry_after_s=RETRY_S)

    def share(self, principal: str) -> "Share":
        """What one request of `principal` holds. With it as a context manager, that is given back at the end."""
        return Share(self, principal)

    def change(self, principal: str, size: int) -> None:
        """`principal` holds `size` more (or less). For `Share`."""
        self.held_bytes += size
        self._held[principal] += size
        if not self._held[principal]:
            del self._held[principal]


class Share:
    """A part of a budget."""

    def __init__(self, budget: Budget, principal: str) -> None:
        self._budget = budget
        self._principal = principal
        self._size = 0

    def take(self, size: int) -> None:
        """Hold `size` more. Raises `Limited`, `Overloaded`, and takes nothing then."""
        self._budget.check(self._principal, size)
        self._size += size
        self._budget.change(self._principal, size)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        size, self._size = self._size, 0
        self._budget.change(self._principal, -size)
