"""What a client holds, by the events of its stream."""

from tests.support.holding import Holding

OWN = "recipient:alice"


def test_marks_apply_to_the_own_channel_and_recalls_take_away() -> None:
    """Up to a place, or by ids, as read or as not; a topic's are never read."""
    holding = Holding("alice")
    for place, (name, channel) in enumerate((("a", OWN), ("b", "topic:news"), ("c", OWN), ("d", OWN)), 1):
        holding.received(name, place=place, channel=channel)
    holding.marked({"upto": "e0.3", "ids": None, "read": True, "unread": 1}, place=5)
    assert {name for name, item in holding.items.items() if item.read} == {"a", "c"}
    holding.marked({"upto": None, "ids": ["a", "b", "x"], "read": False, "unread": 2}, place=6)
    assert {name for name, item in holding.items.items() if item.read} == {"c"}
    holding.recalled("c", place=7)
    assert set(holding.items) == {"a", "b", "d"}


def test_the_number_of_unread_ones_counts_from_where_it_was_told() -> None:
    """What is replayed is in it already; what comes behind it is not."""
    holding = Holding("alice")
    holding.connected({"unread": 2, "unread_upto": "e0.5"}, has_id=True)
    holding.received("a", place=4, channel=OWN)
    assert holding.unread == 2
    for place, (name, channel) in enumerate((("b", OWN), ("c", "topic:news")), 6):
        holding.received(name, place=place, channel=channel)
    assert holding.unread == 3
    holding.recalled("b", place=8)
    assert holding.unread == 2
    holding.marked({"upto": "e0.8", "ids": None, "read": True, "unread": 0}, place=9)
    assert holding.unread == 0
    holding.recalled("before my time", place=10)
    assert holding.unread is None


def test_after_a_reset_only_the_greeting_of_the_same_stream_counts() -> None:
    holding = Holding("alice")
    holding.received("a", place=1, channel=OWN)
    holding.connected({"unread": 2, "unread_upto": "e1.5"}, has_id=False)
    holding.reset()
    assert (holding.items, holding.unread) == ({}, 2)
    holding.reset()
    assert holding.unread is None


def test_only_the_newest_are_held() -> None:
    holding = Holding("alice", most=2)
    for place, name in enumerate("abc", 1):
        holding.received(name, place=place, channel=OWN)
    assert list(holding.items) == ["b", "c"]
