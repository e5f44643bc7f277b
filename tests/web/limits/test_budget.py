"""A budget of bytes: one principal at its limit costs others nothing, and what was held comes back."""

import pytest

from notify_sse.errors import Limited, Overloaded
from notify_sse.web.limits.budget import Budget


def test_a_principal_has_its_share_and_all_together_have_the_whole() -> None:
    limited: list[str] = []
    budget = Budget("body_bytes", most=100, each=50, on_limited=limited.append)
    with budget.share("alice") as first, budget.share("alice") as second, budget.share("bob") as other:
        first.take(30)
        with pytest.raises(Limited) as caught:
            second.take(30)
        assert caught.value.limit == "body_bytes"
        second.take(20)
        other.take(45)
        assert budget.held_bytes == 95
        with budget.share("carol") as last:
            with pytest.raises(Overloaded) as full:
                last.take(10)
            assert not isinstance(full.value, Limited)
            last.take(5)
        assert budget.held_bytes == 95
    assert budget.held_bytes == 0
    assert limited == ["body_bytes"]
    budget.check("alice", 50)


def test_what_is_larger_than_a_share_passes_alone() -> None:
    """Else it never would."""
    budget = Budget("answer_bytes", most=100, each=50, on_limited=lambda _: None)
    with budget.share("alice") as share:
        share.take(200)
        with pytest.raises(Limited):
            budget.check("alice")
        with pytest.raises(Overloaded):
            budget.check("bob")
