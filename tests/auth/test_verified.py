"""The memory for verified tokens: bounded in bytes, with room for a herd, and without a token in it."""

import tracemalloc

from notify_sse.auth import Verifier
from notify_sse.auth.grant import Grant
from notify_sse.auth.verified import MOST_BYTES, Verified, digest_of
from notify_sse.config import read_settings
from tests.support.tokens import NOW, SECRET, token

MAX_STREAMS = read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET).max_streams


def _grant(subject: str, *, topics: int = 0) -> Grant:
    return Grant(
        subject=subject,
        scopes=frozenset(("notifications:read",)),
        topics=frozenset(f"{subject}.{topic}" for topic in range(topics)),
        expires_at=NOW + 300,
        issued_at=NOW,
        token_id=subject,
    )


def test_a_herd_of_all_streams_is_known_when_it_comes_back() -> None:
    size = len(token(sub="a usual user", jti="0123456789abcdef", topics=["news"]))
    verified = Verified()
    for _ in range(2):
        known = 0
        for number in range(MAX_STREAMS):
            digest = number.to_bytes(32, "big")
            known += verified.get(digest) is not None
            verified.put(digest, _grant(str(number)), size=size)
    assert known == MAX_STREAMS


def test_it_is_bounded_by_what_the_tokens_bring() -> None:
    """Of large tokens it keeps few; the longest unused goes first."""
    verified, large = Verified(), 8192
    verified.put(digest_of("used"), _grant("used"), size=large)
    tracemalloc.start()
    try:
        for number in range(3 * MOST_BYTES // large):
            verified.put(digest_of(str(number)), _grant(str(number), topics=70), size=large)
            assert verified.get(digest_of("used"))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 1.5 * MOST_BYTES
    assert len(verified) * large < MOST_BYTES
    assert verified.get(digest_of("0")) is None


def test_what_is_put_again_or_dropped_counts_once() -> None:
    verified, half = Verified(), MOST_BYTES // 2
    for _ in range(5):
        verified.put(digest_of("a"), _grant("a"), size=half - 1000)
    verified.put(digest_of("b"), _grant("b"), size=half - 1000)
    assert verified.get(digest_of("a"))
    for _ in range(2):
        verified.drop(digest_of("a"))
    verified.put(digest_of("c"), _grant("c"), size=half - 1000)
    assert verified.get(digest_of("b"))
    verified.clear()
    assert len(verified) == 0


def test_it_holds_no_token() -> None:
    checked = Verifier(read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET), clock=lambda: NOW)
    checked.verify(one := token(sub="alice"))
    assert one not in repr(vars(checked._verified))
    assert len(checked._verified) == 1
