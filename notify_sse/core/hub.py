"""The hub: which streams to wake for which channel.

Every change is synchronous, so that a leave and a join of the same channel cannot overlap, and an event cannot fall
between a stream's falling asleep and its being woken. Pure: it returns whom to drive, and drives nobody.
"""

from collections.abc import Iterable, Iterator

from notify_sse.core.frames import Frame
from notify_sse.core.stream import Stream


class Hub:
    """Channel → the streams that read it."""

    def __init__(self) -> None:
        self._channels: dict[str, set[Stream]] = {}

    def join(self, stream: Stream) -> None:
        """Wake `stream` for its channels from now on. Join before the first read."""
        for channel in stream.channels:
            self._channels.setdefault(channel, set()).add(stream)

    def leave(self, stream: Stream) -> None:
        """Forget `stream`. Idempotent."""
        for channel in stream.channels:
            streams = self._channels.get(channel)
            if streams is None:
                continue
            streams.discard(stream)
            if not streams:
                del self._channels[channel]

    def wake(self, frames: Iterable[Frame], *, before: int) -> list[Stream]:
        """Wake the sleepers among the readers of `frames`, which the tail has just taken after position `before`.

        Call it in the same step as `Tail.extend`. One that is awake already pulls on by itself.
        """
        woken = []
        channels = self._channels
        for frame in frames:
            for stream in channels.get(frame.channel, ()):
                if stream.asleep:
                    stream.wake(before)
                    woken.append(stream)
        return woken

    def wake_all(self) -> list[Stream]:
        """Wake every sleeper where it stands: the log broke off, and each must check its own cursor."""
        woken = [stream for stream in self.streams() if stream.asleep]
        for stream in woken:
            stream.asleep = False
        return woken

    def readers(self, channel: str) -> Iterable[Stream]:
        """The streams that read `channel` now."""
        return self._channels.get(channel, ())

    def streams(self) -> Iterator[Stream]:
        """Every stream, once."""
        seen: set[Stream] = set()
        for streams in self._channels.values():
            for stream in streams:
                if stream not in seen:
                    seen.add(stream)
                    yield stream
