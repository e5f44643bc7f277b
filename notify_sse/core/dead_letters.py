"""Dead letters by name: a handle for each, and which of them somebody means. Pure."""

import hashlib
from bisect import insort
from collections.abc import Callable, Collection
from typing import Generic, TypeVar

from notify_sse.core.ports import Chosen, DeadLetter

T = TypeVar("T")


def handle_of(letter: DeadLetter) -> str:
    """A name for a message that stays the same wherever in the queue it is. Equal messages share it."""
    parts = (letter.died_at, letter.routing_key, letter.message_id or "")
    return hashlib.sha256("\0".join(parts).encode() + letter.body).hexdigest()[:8]


def chosen_by(handles: Collection[str] = (), reason: str | None = None) -> Chosen | None:
    """Those with one of `handles` (none given: any) and refused for `reason` (None: any). None: all of them."""
    if not handles and reason is None:
        return None
    return lambda letter: (not handles or handle_of(letter) in handles) and reason in (None, letter.reason)


class Oldest(Generic[T]):
    """The `limit` oldest of any number of dead letters, that come in any order: of each what `kept` makes of it, so
    that a list need not hold their bodies.
    """

    def __init__(self, limit: int, *, kept: Callable[[DeadLetter], T]) -> None:
        self.more = False
        """Whether some were left out."""
        self._limit = limit
        self._kept = kept
        self._found: list[tuple[str, T]] = []

    def add(self, letter: DeadLetter) -> None:
        """Keep it, if it is among the oldest so far. Of equally old ones, the first."""
        full = len(self._found) == self._limit
        self.more = self.more or full
        if full and letter.died_at >= self._found[-1][0]:
            return
        if full:
            self._found.pop()
        insort(self._found, (letter.died_at, self._kept(letter)), key=lambda one: one[0])

    @property
    def items(self) -> list[T]:
        """The oldest first."""
        return [one for _, one in self._found]
