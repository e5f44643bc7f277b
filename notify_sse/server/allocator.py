"""What the C library keeps of memory that was given back to it: as little as it can, of what is large.

glibc learns from each large block that is freed to take the next ones from the heap, where whatever lies above them
keeps them from the system. A gateway that was sent large bodies for a minute would stay as large as it was then.
Elsewhere than on glibc nothing is done: musl gives large blocks back at once. docs/adr/0007-garbage.md has the figures.
"""

import ctypes
from typing import Final

LARGE_BYTES: Final = 131_072
"""A block of this size or more is a mapping of its own, and goes back to the system when it is freed."""
M_MMAP_THRESHOLD: Final = -3
"""Of malloc.h. When it is set, glibc no longer adapts it (mallopt(3))."""


def keep_large_blocks_apart() -> bool:
    """From now on. Returns whether the C library can."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(M_MMAP_THRESHOLD, LARGE_BYTES))


def give_back() -> None:
    """What is free on the heap goes back to the system, as far as it is whole pages. Milliseconds per 100 MB."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
