"""Channels and routing keys: no two recipients share one, whatever they are called."""

import hashlib
import re

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.core.channels import EVERYONE, recipient_channel, routing_key, topic_channel
from notify_sse.core.model import Announcement, Event, TraceContext, decode_live
from tests.support.notifications import recipients, topics, types

ADVERSARIAL = (
    "alice", "al", "ALICE", "#", "*", "a.b", "a", "b", ".", "..", "topic:all", "recipient:alice", "all", "",
    "~", "~2bd806c97f0e00af1a1fc3328fa763a9269723c8db8fac4f93af71db186d6e90", "%", "%41", "A", "a%2Eb",
    "a/b", "a b",
    "\x00", "\r\n", "é", "e\u0301", "\u202e", "x" * 150, "x" * 151, "x" * 200, "é" * 100, ".".join("ab" * 40),
    "ß", "ss",
)  # fmt: skip


@pytest.mark.parametrize("one", ADVERSARIAL)
def test_adversarial_recipients_never_meet(one: str) -> None:
    """Neither with another recipient nor with a topic: not on a channel, and not under a routing key."""
    for other in ADVERSARIAL:
        assert (recipient_channel(one) == recipient_channel(other)) == (one == other)
        same_key = routing_key(recipient_channel(one), "t") == routing_key(recipient_channel(other), "t")
        assert same_key == (one == other)
        assert recipient_channel(one) != topic_channel(other)
        assert routing_key(recipient_channel(one), "t") != routing_key(topic_channel(other), "t")


@given(recipients, recipients, types)
def test_recipients_share_a_key_only_when_they_are_the_same(one: str, other: str, kind: str) -> None:
    keys = {routing_key(recipient_channel(name), kind) for name in (one, other)}
    assert len(keys) == len({one, other})


@given(recipients, types)
def test_a_key_is_safe_for_amqp(recipient: str, kind: str) -> None:
    """At most 255 bytes, and the recipient's part holds no dot, star or hash: it is one word of the key."""
    key = routing_key(recipient_channel(recipient), kind)
    assert len(key.encode()) <= 255
    assert re.fullmatch(r"recipient\.(([A-Za-z0-9_-]|%[0-9A-F]{2})+|~[0-9a-f]{64})\..+", key, re.DOTALL)
    assert key.endswith("." + kind)


def test_keys_as_contracted() -> None:
    """The forms that publishers in other languages build by themselves."""
    assert routing_key("recipient:alice", "new_message") == "recipient.alice.new_message"
    assert routing_key("recipient:a.b#é", "x") == "recipient.a%2Eb%23%C3%A9.x"
    assert routing_key("recipient:" + "x" * 150, "x") == "recipient." + "x" * 150 + ".x"
    digest = hashlib.sha256(b"x" * 151).hexdigest()
    assert routing_key("recipient:" + "x" * 151, "x") == f"recipient.~{digest}.x"
    assert routing_key("recipient:recipient:x", "x") == "recipient.recipient%3Ax.x"


@given(topics, types)
def test_a_topic_stands_in_its_key_as_it_is(topic: str, kind: str) -> None:
    assert routing_key(topic_channel(topic), kind) == f"topic.{topic}.{kind}"


def test_everyone_reads_the_topic_all() -> None:
    assert topic_channel("all") == EVERYONE != recipient_channel("topic:all")


events = st.lists(st.tuples(recipients, types, st.binary(max_size=20), st.integers(0, 2**60)), max_size=5)


@given(st.text("abc123", min_size=1), st.integers(1, 2**60), events)
def test_an_announcement_survives_the_wire(epoch: str, first: int, contents: list[tuple[str, str, bytes, int]]) -> None:
    batch = tuple(Event(place, *content) for place, content in enumerate(contents, first))
    announcement = Announcement(epoch, first, batch)
    assert decode_live(announcement.encode()) == announcement


def test_an_announcement_of_a_later_version_is_read() -> None:
    """Fields that this version does not know are passed over."""
    later = {
        "epoch": "e",
        "first": 3,
        "events": [[3, "topic:all", "t", b"{}", 0, False, 0, "more"]],
        "v": 2,
        "news": {"a": 1},
    }
    announcement = decode_live(msgspec.msgpack.encode(later))
    assert announcement == Announcement("e", 3, (Event(3, "topic:all", "t", b"{}"),), v=2)


@given(st.binary(max_size=100))
def test_noise_is_no_message(body: bytes) -> None:
    assert decode_live(body) is None


def test_ids_that_do_not_follow_each_other_are_no_announcement() -> None:
    """What is not contiguous must not reach the tail."""
    odd = Announcement("e", 3, (Event(3, "c", "t", b""), Event(5, "c", "t", b"")))
    assert decode_live(odd.encode()) is None
    assert decode_live(Announcement("e", 2, (Event(3, "c", "t", b""),)).encode()) is None


@pytest.mark.parametrize(
    ("parent", "state", "taken"),
    [
        ("00-a-b-01", "shop=1", TraceContext("00-a-b-01", "shop=1")),
        ("00-a-b-01", None, TraceContext("00-a-b-01")),
        ("00-a-b-01", b"shop=1", TraceContext("00-a-b-01")),
        ("00-a-b-01", "x" * 512, TraceContext("00-a-b-01", "x" * 512)),
        ("00-a-b-01", "x" * 513, TraceContext("00-a-b-01")),
        ("x" * 128, "", TraceContext("x" * 128)),
        ("x" * 129, "", None),
        ("", "shop=1", None),
        (None, "shop=1", None),
        (7, "shop=1", None),
    ],
    ids=str,
)
def test_a_trace_is_taken_within_limits(parent: object, state: object, taken: TraceContext | None) -> None:
    """Whatever the headers hold: anybody may send them."""
    assert TraceContext.of(parent, state) == taken
