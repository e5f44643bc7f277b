"""What comes over the live exchange, to whom it is for, also while processes of two versions talk to each other."""

from collections import Counter

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.core.model import Announcement, Ending, Event, Revocation, RevocationsChanged
from notify_sse.gateway.live import LiveMessages
from tests.support.doubles import metrics


class Ears:
    """Everything that was passed on."""

    def __init__(self) -> None:
        self.tally: Counter[str] = Counter()
        self.announced: list[Announcement] = []
        self.revoked: list[Revocation] = []
        self.ended: list[str] = []
        self.asked = 0
        self.repairs = 0
        self.messages = LiveMessages(
            metrics(self.tally),
            take=self.announced.append,
            revoke=self.revoked.append,
            end=self.ended.append,
            ask=self._ask,
            repair=self._repair,
        )

    def _ask(self) -> None:
        self.asked += 1

    def _repair(self) -> None:
        self.repairs += 1


def test_an_announcement_and_a_revocation_go_where_they_belong() -> None:
    ears = Ears()
    batch = Announcement("e0", 7, (Event(7, "topic:all", "note", b"{}"),))
    for message in (batch, Revocation("t"), RevocationsChanged(), Ending("c"), Announcement("e0", 8)):
        ears.messages.hear(message.encode())
    assert ears.announced == [batch, Announcement("e0", 8)]
    assert ears.revoked == [Revocation("t")]
    assert ears.ended == ["c"]
    assert (ears.asked, ears.repairs) == (1, 0)


@given(st.binary(max_size=100))
def test_what_cannot_be_read_asks_the_log_and_is_counted(body: bytes) -> None:
    """It may have been an announcement. Whatever comes, nothing is raised into the broker's connection."""
    ears = Ears()
    ears.messages.hear(body)
    assert (ears.announced, ears.revoked, ears.repairs) == ([], [], 1)
    assert ears.tally["announcement unreadable"] == 1


@pytest.mark.parametrize(
    "later", [{"kind": "recall", "id": 7}, {"kind": "revocation", "sub": "alice", "v": 2}], ids=["kind", "form"]
)
def test_what_only_a_later_version_knows_is_left_to_it(later: dict[str, object]) -> None:
    """In a rolling deploy the version before must neither break nor read the log for each such message."""
    ears = Ears()
    ears.messages.hear(msgspec.msgpack.encode(later))
    assert (ears.announced, ears.revoked, ears.repairs) == ([], [], 0)
    assert not ears.tally


def test_a_revocation_of_a_later_version_is_read() -> None:
    """Fields that this version does not know are passed over."""
    ears = Ears()
    ears.messages.hear(msgspec.msgpack.encode({"kind": "revocation", "token_id": "t", "reason": "lost", "v": 2}))
    assert ears.revoked == [Revocation("t", v=2)]


# As they were in the version before, in which a revocation was an announcement (f166d51).


class EventBefore(msgspec.Struct, frozen=True, array_like=True):
    id: int
    channel: str
    type: str
    body: bytes
    expires_ms: int = 0


class AnnouncementBefore(msgspec.Struct, frozen=True, omit_defaults=True):
    epoch: str
    first: int
    events: tuple[EventBefore, ...] = ()
    revoked: str = ""
    v: int = 1


REVOCATION_BEFORE = b"\x83\xa5epoch\xa2e0\xa5first\x00\xa7revoked\xa1t"
"""What that version sent for the end of the session with the token `t`."""


def read_before(body: bytes) -> AnnouncementBefore | None:
    """What that version made of a message. At None it counted an unreadable one, and compared with the log's head."""
    try:
        return msgspec.msgpack.decode(body, type=AnnouncementBefore)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def test_the_version_before_passes_over_a_revocation() -> None:
    """It takes it for no announcement: nothing reaches its tail, no stream is ended in error. It looks at the log's
    head once, however many such messages came meanwhile, which it does once a second anyway.
    """
    assert read_before(Revocation("t").encode()) is None


def test_the_version_before_reads_announcements() -> None:
    batch = Announcement("e0", 7, (Event(7, "topic:all", "note", b"{}", 9),))
    assert read_before(batch.encode()) == AnnouncementBefore("e0", 7, (EventBefore(7, "topic:all", "note", b"{}", 9),))


def test_a_revocation_of_the_version_before_ends_streams() -> None:
    """A session that ends at a process of that version ends in all of ours; the log is not asked."""
    assert msgspec.msgpack.encode(AnnouncementBefore("e0", 0, revoked="t")) == REVOCATION_BEFORE
    ears = Ears()
    ears.messages.hear(REVOCATION_BEFORE)
    assert (ears.announced, ears.revoked, ears.repairs) == ([], [Revocation("t")], 0)


def test_an_announcement_of_the_version_before_is_taken() -> None:
    ears = Ears()
    for before in (
        AnnouncementBefore("e0", 7, (EventBefore(7, "topic:all", "note", b"{}"),)),
        AnnouncementBefore("e0", 8),
    ):
        ears.messages.hear(msgspec.msgpack.encode(before))
    assert ears.announced == [Announcement("e0", 7, (Event(7, "topic:all", "note", b"{}"),)), Announcement("e0", 8)]
