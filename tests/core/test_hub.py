"""The hub against a model: who is woken by what, through any storm of joins and leaves."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame, frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Event
from notify_sse.core.stream import Stream

CHANNELS = ("recipient:a", "recipient:b", "topic:all", "topic:x")


def made(position: int, channel: str) -> Frame:
    return frame(Event(position, channel, "t", b"{}"), "e")


def sleeper(*channels: str) -> Stream:
    stream = Stream(channels, Cursor("e", 0), generation=0)
    stream.asleep = True
    return stream


class HubModel(RuleBasedStateMachine):
    """Joins, leaves (twice, and of those who never joined), falling asleep, wakes."""

    def __init__(self) -> None:
        super().__init__()
        self.hub: Hub[Stream] = Hub()
        self.joined: list[Stream] = []
        self.left: list[Stream] = []
        self.position = 0

    @rule(channels=st.lists(st.sampled_from(CHANNELS), min_size=1, unique=True), asleep=st.booleans())
    def join(self, channels: list[str], asleep: bool) -> None:
        stream = sleeper(*channels)
        stream.asleep = asleep
        self.hub.join(stream, stream)
        self.joined.append(stream)

    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        if not self.joined + self.left:
            return
        stream = data.draw(st.sampled_from(self.joined + self.left))
        self.hub.leave(stream)
        if stream in self.joined:
            self.joined.remove(stream)
            self.left.append(stream)

    @rule(data=st.data())
    def fall_asleep(self, data: st.DataObject) -> None:
        if self.joined:
            data.draw(st.sampled_from(self.joined)).asleep = True

    @rule(channels=st.lists(st.sampled_from(CHANNELS), max_size=5))
    def wake(self, channels: list[str]) -> None:
        """Exactly the sleepers among the readers, each once, moved to before the news; the others are left alone."""
        sleepers = [one for one in self.joined if one.asleep and set(one.channels) & set(channels)]
        others = [(one, one.position, one.asleep) for one in self.joined + self.left if one not in sleepers]
        frames = [made(place, channel) for place, channel in enumerate(channels, self.position + 1)]
        woken = self.hub.wake(frames, before=self.position)
        assert len(woken) == len(sleepers)
        assert set(woken) == set(sleepers)
        assert all(not one.asleep and one.position == self.position for one in woken)
        assert others == [(one, one.position, one.asleep) for one, _, _ in others]
        self.position += len(frames)

    @rule()
    def wake_all(self) -> None:
        """Where they stand: the log broke off, and their cursors are to be checked."""
        sleepers = [(one, one.position) for one in self.joined if one.asleep]
        woken = self.hub.wake_all()
        assert sorted(map(id, woken)) == sorted(id(one) for one, _ in sleepers)
        assert all(not one.asleep and one.position == position for one, position in sleepers)

    @invariant()
    def holds_whom_it_was_given(self) -> None:
        """And forgets a channel with its last reader."""
        for channel in CHANNELS:
            readers = [one for one in self.joined if channel in one.channels]
            assert sorted(map(id, self.hub.readers(channel))) == sorted(map(id, readers))
        assert set(self.hub._channels) == {channel for one in self.joined for channel in one.channels}


TestHubModel = HubModel.TestCase
TestHubModel.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.sampled_from(CHANNELS), unique=True, min_size=1), st.permutations(range(6)))
def test_a_leave_and_a_join_of_one_channel_never_disturb_each_other(channels: list[str], order: list[int]) -> None:
    """Six streams of the same channels: whoever leaves, the others are woken."""
    hub: Hub[Stream] = Hub()
    streams = [sleeper(*channels) for _ in range(6)]
    for stream in streams:
        hub.join(stream, stream)
    for count, place in enumerate(order, 1):
        hub.leave(streams[place])
        for stream in streams:
            stream.asleep = True
        assert len(hub.wake([made(1, channels[-1])], before=0)) == 6 - count
