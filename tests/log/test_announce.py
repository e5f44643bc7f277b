"""What is committed is told here and to the other processes, in the order of the commits."""

import pytest

from notify_sse.core.model import Announcement, Event, decode_live
from notify_sse.log import announce as module
from notify_sse.log.announce import Announcer


class Heard:
    """What was taken here, and what was told to the others."""

    def __init__(self) -> None:
        self.here: list[Announcement] = []
        self.others: list[bytes] = []


def batch(first: int, count: int = 1, *, size: int = 10) -> Announcement:
    events = tuple(Event(place, "topic:all", "note", b"x" * size) for place in range(first, first + count))
    return Announcement("e0", first, events)


def test_a_batch_is_told_here_and_to_the_others() -> None:
    """As it is, in both."""
    heard = Heard()
    announcer = Announcer(take_here=heard.here.append, tell_others=heard.others.append)
    for first in (1, 2, 3):
        announcer.announce(batch(first))
    assert heard.here == [batch(1), batch(2), batch(3)]
    assert [decode_live(body) for body in heard.others] == heard.here


def test_a_process_that_serves_no_streams_tells_the_others_only() -> None:
    heard = Heard()
    Announcer(take_here=None, tell_others=heard.others.append).announce(batch(1))
    assert [decode_live(body) for body in heard.others] == [batch(1)]


def test_a_process_that_is_alone_tells_nobody_else() -> None:
    heard = Heard()
    Announcer(take_here=heard.here.append, tell_others=None).announce(batch(1))
    assert heard.here == [batch(1)]


def test_what_is_too_large_for_the_exchange_is_told_without_its_content(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others get how far the log reaches, and read it; our own streams get the batch. To the byte."""
    heard = Heard()
    announcer = Announcer(take_here=heard.here.append, tell_others=heard.others.append)
    monkeypatch.setattr(module, "MAX_ANNOUNCED_BYTES", len(batch(5, 3).encode()))
    announcer.announce(batch(5, 3))
    announcer.announce(batch(8, 3, size=11))
    assert heard.here == [batch(5, 3), batch(8, 3, size=11)]
    assert [decode_live(body) for body in heard.others] == [batch(5, 3), Announcement("e0", 11)]
