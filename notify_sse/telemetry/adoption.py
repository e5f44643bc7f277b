"""How many different recipients were seen in the last day, on streams and on polling, in little memory.

A sketch for each hour (HyperLogLog; Flajolet, Fusy, Gandouet, Meunier 2007): 4,096 registers of one byte, which know
how many different names they were shown to within 2 %, and exactly as long as there are few. Two sketches become one by
taking the larger of each register, so the workers of a service share them in one file: whoever writes, none is counted
twice. Two that write one register in the same moment may lose one of the two, which the next request mends.
"""

import hashlib
import math
import mmap
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, get_args

Way = Literal["stream", "poll"]
WAYS: Final[tuple[Way, ...]] = get_args(Way)
HOUR_S: Final = 3600
HOURS: Final = 24
SLOTS: Final = HOURS + 1
"""The hour that has begun, and the 24 before it."""
BITS: Final = 12
REGISTERS: Final = 1 << BITS
RANKS: Final = 64 - BITS + 2
"""A rank is at most 64 - BITS + 1; 0: no name was shown to the register."""
STAMP_BYTES: Final = 8
"""Before the registers of a slot: the number of its hour since 1970."""
SLOT_BYTES: Final = STAMP_BYTES + REGISTERS
FILE: Final = "recipients-seen.1"
"""Its name ends with the version of its form."""
_ALPHA: Final = 0.7213 / (1 + 1.079 / REGISTERS)


class RecipientsSeen:
    """`folder` is where the workers of a service share it; None: one process."""

    def __init__(self, folder: str | None, *, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._past: dict[Way, tuple[int, bytes]] = {}
        size = len(WAYS) * SLOTS * SLOT_BYTES
        if folder is None:
            self._memory = mmap.mmap(-1, size)
            return
        path = Path(folder) / FILE
        with path.open("ab") as file:  # whoever comes first makes it; nobody shortens it
            file.truncate(size)
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), size)

    @property
    def hour(self) -> int:
        """The number of the hour that has begun, since 1970."""
        return int(self._clock() // HOUR_S)

    def note(self, way: Way, recipient_id: str) -> None:
        """`recipient_id` was seen on `way` just now."""
        digest = hashlib.blake2b(recipient_id.encode(errors="surrogatepass"), digest_size=8).digest()
        bits = int.from_bytes(digest)
        register, rest = bits & (REGISTERS - 1), bits >> BITS
        rank = 64 - BITS - rest.bit_length() + 1
        at = self._slot(way, self.hour) + STAMP_BYTES + register
        self._memory[at] = max(self._memory[at], rank)

    def count(self, way: Way) -> int:
        """How many different recipients were seen on `way` in this hour and the 24 before it."""
        hour = self.hour
        if self._past.get(way, (0, b""))[0] != hour:  # hours that are over change no more
            self._past[way] = hour, self._merged(way, range(hour - HOURS, hour))
        return _estimate(_larger(self._past[way][1], self._merged(way, (hour,))))

    def _merged(self, way: Way, hours: Iterable[int]) -> bytes:
        merged = bytes(REGISTERS)
        for hour in hours:
            start = self._start(way, hour % SLOTS)
            if self._stamp(start) == hour:
                merged = _larger(merged, self._memory[start + STAMP_BYTES : start + SLOT_BYTES])
        return merged

    def _slot(self, way: Way, hour: int) -> int:
        """Where the sketch of `hour` begins. It takes the place of one that is over a day old."""
        start = self._start(way, hour % SLOTS)
        if self._stamp(start) != hour:
            self._memory[start : start + SLOT_BYTES] = hour.to_bytes(STAMP_BYTES) + bytes(REGISTERS)
        return start

    def _start(self, way: Way, place: int) -> int:
        return (WAYS.index(way) * SLOTS + place) * SLOT_BYTES

    def _stamp(self, start: int) -> int:
        return int.from_bytes(self._memory[start : start + STAMP_BYTES])


def _larger(one: bytes, other: bytes) -> bytes:
    return bytes(map(max, one, other)) if any(one) and any(other) else one if any(one) else other


def _estimate(registers: bytes) -> int:
    raw = _ALPHA * REGISTERS**2 / sum(registers.count(rank) * 2.0**-rank for rank in range(RANKS))
    empty = registers.count(0)
    if raw <= 2.5 * REGISTERS and empty:
        return round(REGISTERS * math.log(REGISTERS / empty))
    return round(raw)
