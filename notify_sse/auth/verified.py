"""The grants of tokens that were verified before, and no token: a digest finds each."""

import hashlib
from collections import OrderedDict
from typing import Final

from notify_sse.auth.grant import Grant

MOST_BYTES: Final = 16 * 1024 * 1024
"""As many streams as a process has by default bring 20,000 usual tokens when all of them come back at once. A smaller
memory would find none of them then: each is put out just before it comes."""
ENTRY_BYTES: Final = 512
"""What an entry takes besides what is in its token."""


class Verified:
    """At most `MOST_BYTES` of them; the longest unused goes first."""

    def __init__(self) -> None:
        self._kept: OrderedDict[bytes, tuple[Grant, int]] = OrderedDict()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def get(self, digest: bytes) -> Grant | None:
        """The grant of the token with this `digest_of`; None when it is not known."""
        found = self._kept.get(digest)
        if found is None:
            return None
        self._kept.move_to_end(digest)
        return found[0]

    def put(self, digest: bytes, grant: Grant, *, size: int) -> None:
        """Keep `grant`. `size`: the bytes of its token."""
        self.drop(digest)
        weight = size + ENTRY_BYTES
        self._kept[digest] = grant, weight
        self._bytes += weight
        while self._bytes > MOST_BYTES:
            _, (_, weight) = self._kept.popitem(last=False)
            self._bytes -= weight

    def drop(self, digest: bytes) -> None:
        """Forget it. Idempotent."""
        if found := self._kept.pop(digest, None):
            self._bytes -= found[1]

    def clear(self) -> None:
        """Forget all: a key was withdrawn."""
        self._kept.clear()
        self._bytes = 0


def digest_of(token: str) -> bytes:
    """What `Verified` knows a token by."""
    return hashlib.blake2b(token.encode(), digest_size=32).digest()
