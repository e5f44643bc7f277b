"""A notification that comes without an id gets one that begins with the time."""

import time
from uuid import RFC_4122, UUID

from notify_sse.log.new_id import new_id

RANDOM = (0xFFF << 64) | ((1 << 62) - 1)
"""The bits of a UUID of version 7 that are neither time nor version nor variant."""


def test_it_is_a_uuid_of_version_7_as_text() -> None:
    """The time is right to the ms, every bit that may be random is, and nothing else differs."""
    before_ms = time.time_ns() // 1_000_000
    texts = [new_id() for _ in range(2000)]
    after_ms = time.time_ns() // 1_000_000
    found = [UUID(text) for text in texts]
    assert texts == [str(one) for one in found]
    assert len(set(found)) == 2000
    assert all(one.version == 7 and one.variant == RFC_4122 for one in found)
    assert all(before_ms <= one.int >> 80 <= after_ms for one in found)
    ever, always = 0, (1 << 128) - 1
    for one in found:
        ever |= one.int
        always &= one.int
    assert (ever ^ always) & ((1 << 80) - 1) == RANDOM
