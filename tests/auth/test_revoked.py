"""Which tokens a process refuses because they are revoked, and which are good again."""

import msgspec
import pytest

from notify_sse.auth.grant import TokenFacts
from notify_sse.auth.revoked import Revoked
from notify_sse.core.access import RevocationRecord, RevokedKind

AT_S = 1000.3


def record(number: int, kind: RevokedKind, value: str, *, until_ms: int = 0, at_s: float = AT_S) -> RevocationRecord:
    return RevocationRecord(id=number, kind=kind, value=value, revoked_ms=int(at_s * 1000), until_ms=until_ms)


def token(subject: str = "alice", *, issued_at: float | None = None, jti: str | None = None) -> TokenFacts:
    return TokenFacts(subject, f"id of {subject}", jti, issued_at)


@pytest.mark.parametrize(
    ("issued_at", "refused"),
    [(None, True), (0.0, True), (1000.0, True), (AT_S, True), (1000.301, False), (1001.0, False)],
)
def test_a_subject_is_revoked_up_to_the_time_of_the_revocation(issued_at: float | None, refused: bool) -> None:
    """A whole second is rounded down: a token of the same second may be older than the revocation, and is refused."""
    revoked = Revoked(known=True)
    revoked.apply([record(1, "sub", "alice")])
    assert revoked.refuses(token(issued_at=issued_at)) is refused
    assert not revoked.refuses(token("bob", issued_at=issued_at))


def test_a_single_token_is_revoked_whenever_it_was_issued() -> None:
    revoked = Revoked(known=True)
    revoked.apply([record(1, "jti", "j1"), record(2, "token", "id of carol", until_ms=10**15)])
    assert revoked.refuses(token(jti="j1", issued_at=1e9))
    assert not revoked.refuses(token(jti="j2", issued_at=1e9))
    assert revoked.refuses(token("carol", issued_at=1e9))
    assert not revoked.refuses(token())


def test_what_is_undone_is_good_again_unless_another_refuses_it() -> None:
    revoked = Revoked(known=True)
    first, second = record(1, "sub", "alice"), record(2, "sub", "alice", at_s=AT_S - 500)
    assert revoked.apply([first, second, first]) == [first, second], "what is known is not new"
    revoked.apply([msgspec.structs.replace(first, undone=True)])
    assert revoked.refuses(token(issued_at=100))
    assert not revoked.refuses(token(issued_at=900))
    revoked.apply([msgspec.structs.replace(second, undone=True)])
    assert not revoked.refuses(token())
    assert len(revoked) == 0


def test_of_two_revocations_the_later_one_holds() -> None:
    """In whichever order they come, as the two readings of a page may bring them."""
    earlier, later = record(1, "sub", "alice", at_s=AT_S - 500), record(2, "sub", "alice")
    for both in ([earlier, later], [later, earlier]):
        revoked = Revoked(known=True)
        revoked.apply(both)
        assert revoked.refuses(token(issued_at=900))
        assert not revoked.refuses(token(issued_at=1001))


def test_everything_read_anew_takes_the_place_of_what_was_known_but_for_what_only_this_process_knows() -> None:
    revoked = Revoked()
    revoked.apply([record(1, "sub", "alice"), record(2, "jti", "j")])
    revoked.hold("id of bob", until=2e9)
    revoked.replace([record(3, "sub", "carol")])
    assert [revoked.refuses(token(name, jti="j")) for name in ("alice", "bob", "carol")] == [False, True, True]


def test_what_no_token_can_be_refused_by_is_forgotten() -> None:
    """The end of a session with its token; a subject or a `jti` only when nobody's token can have lived so long."""
    revoked = Revoked(known=True)
    revoked.apply([record(1, "token", "t", until_ms=5_000_000), record(2, "sub", "alice"), record(3, "jti", "j")])
    revoked.hold("u", until=4000)
    revoked.expire(4500, longest_s=0)
    assert len(revoked) == 3
    revoked.expire(5001, longest_s=0)
    assert len(revoked) == 2
    revoked.expire(5001, longest_s=10_000)
    assert len(revoked) == 2
    revoked.expire(5001, longest_s=4000)
    assert len(revoked) == 0
    assert not revoked.refuses(token(jti="j"))
