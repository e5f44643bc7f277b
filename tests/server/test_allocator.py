"""What was large and is free goes back to the system."""

import subprocess
import sys

SWELLS = """
import sys
from notify_sse.server.allocator import give_back, keep_large_blocks_apart
from notify_sse.server.garbage import resident_bytes
if sys.argv[1] == "apart":
    assert keep_large_blocks_apart()
before, kept = resident_bytes(), []
for _ in range(3):
    large = []
    for _ in range(200):
        large.append(bytearray(400_000))
        kept.append(bytearray(2000))
    del large
if sys.argv[1] == "given back":
    give_back()
print(resident_bytes() - before)
"""


def _left(way: str) -> int:
    """Bytes that a process holds more after it had 80 MB in large blocks, three times, with small ones between."""
    return int(subprocess.run([sys.executable, "-c", SWELLS, way], check=True, capture_output=True, text=True).stdout)


def test_large_blocks_do_not_stay_on_the_heap() -> None:
    assert _left("apart") < 8_000_000
    assert _left("as it is") > 40_000_000, "this C library gives them back: nothing is shown here"


def test_what_is_free_on_the_heap_is_given_back() -> None:
    assert _left("given back") < 8_000_000
