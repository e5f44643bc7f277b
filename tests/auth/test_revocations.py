"""A token that is taken back is taken back everywhere."""

from notify_sse.auth.revocations import Revocations
from notify_sse.core.model import Revocation, decode_live


def test_streams_end_here_and_in_the_other_processes() -> None:
    here: list[str] = []
    others: list[bytes] = []
    Revocations(end_here=here.append, tell_others=others.append).revoke("t")
    assert here == ["t"]
    assert [decode_live(body) for body in others] == [Revocation("t")]


def test_a_process_that_is_alone_tells_nobody_else() -> None:
    here: list[str] = []
    Revocations(end_here=here.append, tell_others=None).revoke("t")
    assert here == ["t"]
