"""What a client holds: the notifications that it has heard of, which of them are read, and none that was recalled.

Folded from the events of its stream by the written contract, without the client's code. Pure.
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from tests.support.contract import cursor_of


class Item(msgspec.Struct):
    """A notification that is held. `own`: it is on the recipient's own channel; only such can be read."""

    place: int
    channel: str
    read: bool = False


class Holding:
    """The newest `most` notifications of one client, by notification_id."""

    def __init__(self, recipient: str, *, most: int = 1000) -> None:
        self.items: dict[str, Item] = {}
        self.unread: int | None = None
        """How many are unread, all in all; None while the stream has not told."""
        self._unread_at = 0
        self._greeted = False
        self._channel = f"recipient:{recipient}"
        self._most = most

    def connected(self, data: Mapping[str, Any], *, has_id: bool) -> None:
        """A stream began: it may have told how much is unread, as of some place. Without an id, a reset follows."""
        self._greeted = not has_id
        self.unread = data.get("unread")
        self._unread_at = cursor_of(data["unread_upto"]).position if self.unread is not None else 0

    def received(self, notification_id: str, *, place: int, channel: str, silent: bool = False) -> None:
        """A notification came."""
        self.items[notification_id] = Item(place, channel)
        if len(self.items) > self._most:
            del self.items[next(iter(self.items))]
        if self.unread is not None and channel == self._channel and place > self._unread_at and not silent:
            self.unread += 1

    def marked(self, data: Mapping[str, Any], *, place: int) -> None:
        """Something was read, or is not any more."""
        upto = cursor_of(data["upto"]).position if data["upto"] else None
        if upto is not None:
            for item in self.items.values():
                item.read |= item.channel == self._channel and item.place <= upto
        for name in data["ids"] or ():
            held = self.items.get(name)
            if held and held.channel == self._channel:
                held.read = data["read"]
        if self.unread is not None and place > self._unread_at:
            self.unread, self._unread_at = data["unread"], place

    def recalled(self, notification_id: str, *, place: int) -> None:
        """A notification was taken back. Whether one that is not held was unread is not known."""
        item = self.items.pop(notification_id, None)
        if self.unread is None or place <= self._unread_at:
            return
        if item is None:
            self.unread = None
        elif item.channel == self._channel and not item.read:
            self.unread -= 1

    def reset(self) -> None:
        """What lay before may be lost: a client fetches all of it anew. Here it holds what comes from now on. What the
        greeting of this stream told is of the log as it is now.
        """
        self.items.clear()
        if not self._greeted:
            self.unread = None
        self._greeted = False
