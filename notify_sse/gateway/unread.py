"""How many notifications are unread for whoever connects: from memory where it is known, else from the database.

What was counted once is kept up from the log, as the tail takes it in: a crowd that reconnects asks nobody. Those that
are not known are counted together, by one query at a time (docs/adr/0018-read-state.md). Bounded; what does not fit is
counted again. It is only ever a memory of the log: whatever is not certain is forgotten.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Final

import msgspec

from notify_sse.core.channels import recipient_channel
from notify_sse.core.cursor import Cursor
from notify_sse.core.frames import Frame
from notify_sse.core.model import READ
from notify_sse.core.read_state import ReadState, Unread
from notify_sse.core.tail import Tail
from notify_sse.errors import NotifyError

logger = logging.getLogger(__name__)

MAX_KNOWN: Final = 50_000
"""About 300 bytes each."""
MAX_ASKED: Final = 500
"""Recipients of one query."""
PAUSE_S: Final = 0.01
"""After a query during which others came: those who come in this time are asked for with them. Each query costs this
process as much as a connect, or more.
"""
WAIT_S: Final = 1.0
"""For the database. A stream that begins does not wait longer: it is told nothing of what is unread."""
CATCH_UP_EVENTS: Final = 1000

Tell = Callable[[Unread | None], None]
"""Takes an answer. It raises nothing."""


class _Told(msgspec.Struct):
    """Of the data of a read event, what is needed here."""

    unread: int


class _Known:
    """One recipient's count: as of `at`, and of everything after it that the tail has taken in."""

    __slots__ = ("at", "count", "expiring_ms", "oldest")

    def __init__(self, counted: Unread) -> None:
        self.count = counted.count
        self.at = counted.at.position
        self.oldest = counted.oldest
        self.expiring_ms = counted.expiring_ms


class UnreadCounts:
    """Everything is synchronous: who asks is told later."""

    def __init__(self, read_state: ReadState, tail: Tail, *, max_known: int = MAX_KNOWN) -> None:
        self._read_state = read_state
        self._tail = tail
        self._max_known = max_known
        self._known: dict[str, _Known] = {}
        self._position = 0
        """Up to where the tail was followed, in its `_generation`."""
        self._generation = 0
        self._asked: dict[str, list[Tell]] = {}
        self._asking: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._known)

    def follow(self, before: int, frames: Sequence[Frame]) -> None:
        """The tail has taken `frames` in, after position `before`. Call it in the same step."""
        self._keep_up(before)
        for frame in frames:
            known = self._known.get(frame.channel)
            if known is not None and frame.id > known.at:
                self._count(known, frame)
        self._position = self._tail.position

    def known(self, recipient_id: str) -> Unread | None:
        """The count as of the tail's position, or None when it is not known."""
        self._keep_up(self._tail.position)
        channel = recipient_channel(recipient_id)
        known = self._known.get(channel)
        if known is None:
            return None
        expired = 0 < known.expiring_ms <= time.time() * 1000
        if expired or 0 < known.oldest <= self._tail.floor:
            del self._known[channel]
            return None
        at = Cursor(self._tail.epoch, max(known.at, self._tail.position))
        return Unread(known.count, at, at)

    def ask(self, recipient_id: str, tell: Tell) -> None:
        """Count what is not known, and `tell` it; None when the database does not answer in time."""
        self._asked.setdefault(recipient_id, []).append(tell)
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        """One query after the other: what is asked for during one is answered by the next."""
        try:
            while self._asked:
                await asyncio.sleep(0)  # whoever connects in this step is asked for together
                some = list(self._asked)[:MAX_ASKED]
                counted = await self._read(some)
                for recipient_id, unread in zip(some, counted, strict=True):
                    if unread:
                        self._learn(recipient_channel(recipient_id), unread)
                    for tell in self._asked.pop(recipient_id):
                        tell(unread)
                if 0 < len(self._asked) < MAX_ASKED:
                    await asyncio.sleep(PAUSE_S)
        except Exception:
            logger.exception("what is unread cannot be counted", extra={"action": "unread"})
        finally:
            self._asking = None
            # After a bug, or cancelled: nobody may wait for ever.
            left, self._asked = self._asked, {}
            for tell in chain.from_iterable(left.values()):
                tell(None)

    async def _read(self, recipients: Sequence[str]) -> Sequence[Unread | None]:
        try:
            async with asyncio.timeout(WAIT_S):
                return await self._read_state.unread(recipients)
        except (NotifyError, TimeoutError) as exc:
            logger.debug("what is unread cannot be counted", extra={"action": "unread", "error": str(exc)})
            return [None] * len(recipients)

    def _learn(self, channel: str, unread: Unread) -> None:
        """Keep a count, brought up to the tail's position."""
        tail = self._tail
        self._keep_up(tail.position)
        # Of another log, or of a place that the tail has left behind: it cannot be brought up.
        if unread.at.epoch != tail.epoch or unread.at.position < tail.start:
            return
        known = _Known(unread)
        if known.at < tail.position:
            frames, upto = tail.after(known.at, (channel,), max_events=CATCH_UP_EVENTS, max_bytes=tail.size_bytes + 1)
            if upto < tail.position:
                return
            self._known[channel] = known
            for frame in frames:
                if not self._count(known, frame):
                    return
        self._known[channel] = known
        if len(self._known) > self._max_known:
            del self._known[next(iter(self._known))]

    def _count(self, known: _Known, frame: Frame) -> bool:
        """Bring `known` up to `frame`. Returns whether it is still known."""
        known.at = frame.id
        if frame.type == READ:
            known.count = msgspec.json.decode(frame.body, type=_Told).unread
        elif frame.erases:
            # Whether what is gone was unread is not known here.
            self._known.pop(frame.channel, None)
            return False
        elif not frame.silent:
            known.count += 1
            known.oldest = known.oldest or frame.id
            if frame.expires_ms:
                known.expiring_ms = min(known.expiring_ms or frame.expires_ms, frame.expires_ms)
        return True

    def _keep_up(self, position: int) -> None:
        """Forget everything when the tail went on without this: another log, or a stretch that retention removed."""
        if self._generation != self._tail.generation or self._position != position:
            self._known.clear()
            self._generation, self._position = self._tail.generation, self._tail.position
