"""How long to wait before the next attempt: doubling pauses, each of a random length, for everything that tries again.

Pure: it says for how long, and the caller waits, in whatever way suits it. Why not a library: see
docs/adr/0011-backoff.md.
"""

from collections.abc import Callable


class Backoff:
    """The pauses between the attempts at one thing.

    The first is at most `first_s` seconds; each is at most twice as long as the one before, and never over `last_s`.
    What a pause is in the end is drawn from the upper half of that, so that many who lost the same thing at the same
    moment do not all come back at the same moment. `draw` gives a number from 0 to 1, such as `random.random`.
    """

    def __init__(self, *, first_s: float, last_s: float, draw: Callable[[], float]) -> None:
        self._first_s = first_s
        self._last_s = last_s
        self._draw = draw
        self._longest_s = first_s

    def next_s(self) -> float:
        """How long to wait now, in seconds, after an attempt that failed. May be called any number of times."""
        longest_s = self._longest_s
        # Doubled step by step, and not by a power of the number of attempts: 2**1024 is beyond what a float can hold.
        self._longest_s = min(self._last_s, longest_s * 2)
        return longest_s * (1 + self._draw()) / 2

    def reset(self) -> None:
        """An attempt succeeded: the next pause is the first again."""
        self._longest_s = self._first_s
