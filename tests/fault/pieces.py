"""When a piece of a connection may pass, given a delay and a rate. Pure."""


class Pacing:
    """One direction of one connection. Pieces never overtake each other, whatever changes meanwhile."""

    def __init__(self) -> None:
        self._last = 0.0
        self._free = 0.0

    def due(self, now: float, size: int, *, delay_s: float, bytes_per_s: float) -> float:
        """When a piece of `size` bytes that came at `now` may go on."""
        at = now
        if bytes_per_s:
            self._free = at = max(now, self._free) + size / bytes_per_s
        self._last = max(at + delay_s, self._last)
        return self._last
