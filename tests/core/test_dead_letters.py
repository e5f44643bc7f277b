"""The names of dead letters, which of them somebody means, and the oldest of many."""

import random

import msgspec

from notify_sse.core.dead_letters import Oldest, chosen_by, handle_of
from notify_sse.core.ports import DeadLetter

LETTER = DeadLetter(
    body=b"{}",
    routing_key="recipient.alice.t",
    content_type="application/json",
    message_id=None,
    reason="malformed",
    detail="no JSON",
    died_at="2026-11-26T02:14:03.120+00:00",
)


def test_a_handle_is_the_same_wherever_the_message_lies_and_tells_messages_apart() -> None:
    """Neither reason nor detail is a part of it: a later version may say them in other words."""
    assert handle_of(LETTER) == handle_of(msgspec.structs.replace(LETTER, reason="x", detail="y"))
    others = ({"body": b"[]"}, {"routing_key": "x"}, {"message_id": "m"}, {"died_at": ""})
    handles = {handle_of(msgspec.structs.replace(LETTER, **other)) for other in others} | {handle_of(LETTER)}
    assert (len(handles), {len(handle) for handle in handles}) == (5, {8})


def test_letters_are_meant_by_handle_by_reason_or_by_both() -> None:
    other = msgspec.structs.replace(LETTER, body=b"[]", reason="key_mismatch")
    assert chosen_by() is None, "all of them"
    for handles, reason, meant in (
        ([handle_of(LETTER)], None, [LETTER]),
        ([], "key_mismatch", [other]),
        ([handle_of(LETTER), handle_of(other)], "malformed", [LETTER]),
        ([handle_of(LETTER)], "key_mismatch", []),
    ):
        chosen = chosen_by(handles, reason)
        assert chosen
        assert [one for one in (LETTER, other) if chosen(one)] == meant


def test_the_oldest_are_kept_in_whatever_order_they_come() -> None:
    """Of each only what the list is to hold; of equally old ones those that came first."""
    letters = [
        msgspec.structs.replace(LETTER, died_at=f"2026-11-{day:02}", detail=f"{day} {place}")
        for day in range(1, 29)
        for place in range(2)
    ]
    for seed in range(20):
        shuffled = random.Random(seed).sample(letters, len(letters))
        oldest = Oldest(9, kept=lambda one: one.detail)
        for letter in shuffled:
            oldest.add(letter)
        assert oldest.items == [one.detail for one in sorted(shuffled, key=lambda one: one.died_at)][:9]
        assert oldest.more


def test_only_what_was_left_out_is_more() -> None:
    oldest = Oldest(2, kept=lambda one: one.body)
    for more in (False, False, True):
        oldest.add(LETTER)
        assert oldest.more is more
    assert oldest.items == [LETTER.body] * 2
