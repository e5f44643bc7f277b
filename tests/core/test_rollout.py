"""Who gets streams: always the same ones, and a higher percentage only adds."""

import pytest

from notify_sse.core.rollout import Rollout, RolloutChange, place

MANY = [f"recipient-{number}" for number in range(5000)]


def test_a_higher_percentage_only_adds() -> None:
    """Whoever has streams keeps them, from 0 to 100 %, and about as many have them as the number says."""
    before: set[str] = set()
    for percent in (0.0, 0.5, 1.0, 10.0, 25.0, 50.0, 99.0, 99.9, 100.0):
        enabled = {one for one in MANY if Rollout(percent).enables(one)}
        assert before <= enabled
        assert abs(len(enabled) / len(MANY) * 100 - percent) < 2.5
        before = enabled
    assert not any(Rollout(0).enables(one) for one in MANY)
    assert all(Rollout(100).enables(one) for one in MANY)


@pytest.mark.parametrize(
    ("recipient", "expected"), [("alice", 1461), ("bob", 1854), ("Zoë", 2684), ("a\0b", 7570), ("\ud800", 7316)]
)
def test_the_place_of_a_recipient_never_changes(recipient: str, expected: int) -> None:
    """These values are kept: another hash would take streams from some who have them, at the next upgrade."""
    assert place(recipient) == expected


def test_the_lists_win_over_the_percentage_and_deny_over_allow() -> None:
    rollout = Rollout(0, frozenset({"alice", "bob"}), frozenset({"bob", "carol"}))
    assert [rollout.enables(one) for one in ("alice", "bob", "carol", "dave")] == [True, False, False, False]
    assert not Rollout(100, frozenset(), frozenset({"carol"})).enables("carol")


def test_what_is_set_wins_and_the_rest_is_left_to_the_settings() -> None:
    by_settings = Rollout(10, frozenset({"alice"}), frozenset({"bob"}))
    assert by_settings.changed(RolloutChange()) == by_settings
    assert by_settings.changed(RolloutChange(percent=0)) == Rollout(0, frozenset({"alice"}), frozenset({"bob"}))
    assert by_settings.changed(RolloutChange(allow=(), deny=("carol",))) == Rollout(
        10, frozenset(), frozenset({"carol"})
    )
