"""The hub: which readers to wake for which channel.

A reader is whatever is driven when its stream wakes: the gateway's connections, or a test's own. Every change is
synchronous, so that a leave and a join of the same channel cannot overlap, and an event cannot fall between a stream's
falling asleep and its being woken. Pure: it returns whom to drive, and drives nobody.
"""

from collections.abc import Collection, Iterable, Iterator
from typing import Generic, TypeVar

from notify_sse.core.frames import Frame
from notify_sse.core.stream import Stream

ReaderT = TypeVar("ReaderT")


class Hub(Generic[ReaderT]):
    """Channel → the streams that read it, each with its reader.

    Most channels are one recipient's, and most recipients have one stream: such a channel has a pair, and no dictionary
    of its own, which would take three times as much.
    """

    def __init__(self) -> None:
        self._channels: dict[str, tuple[Stream, ReaderT] | dict[Stream, ReaderT]] = {}

    def join(self, stream: Stream, reader: ReaderT) -> None:
        """Wake `reader` for the channels of `stream` from now on. Join before the first read."""
        for channel in stream.channels:
            known = self._channels.get(channel)
            if known is None:
                self._channels[channel] = stream, reader
                continue
            if isinstance(known, tuple):
                known = self._channels[channel] = dict([known])
            known[stream] = reader

    def leave(self, stream: Stream) -> None:
        """Forget `stream`. Idempotent."""
        for channel in stream.channels:
            known = self._channels.get(channel)
            if isinstance(known, dict):
                known.pop(stream, None)
            if known == {} or (isinstance(known, tuple) and known[0] is stream):
                del self._channels[channel]

    def wake(self, frames: Iterable[Frame], *, before: int) -> list[ReaderT]:
        """Wake the sleepers among the readers of `frames`, which the tail has just taken after position `before`.

        Call it in the same step as `Tail.extend`. A stream that is awake already pulls on by itself.
        """
        woken: list[ReaderT] = []
        for frame in frames:
            for stream, reader in self._pairs(frame.channel):
                if stream.asleep:
                    stream.wake(before)
                    woken.append(reader)
        return woken

    def wake_all(self) -> list[ReaderT]:
        """Wake every sleeper where it stands: the log broke off, and each must check its own cursor."""
        woken: list[ReaderT] = []
        for stream, reader in self._all():
            if stream.asleep:
                stream.asleep = False
                woken.append(reader)
        return woken

    def readers(self, channel: str) -> list[ReaderT]:
        """The readers of `channel` now."""
        return [reader for _, reader in self._pairs(channel)]

    def number_of_readers(self, channel: str) -> int:
        """How many readers `channel` has now."""
        return len(self._pairs(channel))

    def _pairs(self, channel: str) -> Collection[tuple[Stream, ReaderT]]:
        known = self._channels.get(channel)
        if known is None:
            return ()
        return (known,) if isinstance(known, tuple) else known.items()

    def _all(self) -> Iterator[tuple[Stream, ReaderT]]:
        """Every stream, once for each of its channels."""
        for channel in self._channels:
            yield from self._pairs(channel)
