"""A stream with a way out: the cursor of one client, and what its transport does with what it pulls."""

import asyncio
from collections.abc import Awaitable, Sequence
from enum import IntFlag
from typing import Final

from notify_sse.core.frames import CloseReason, Control, Cursor, Frame
from notify_sse.core.model import EVERYONE, TOPIC
from notify_sse.core.stream import Stream

NEVER: Final = float("inf")
FIRST_PAGE_EVENTS: Final = 128


class Due(IntFlag):
    """Control events that the pump owes a connection; each is made when it is written, with the cursor of then."""

    NOTHING = 0
    HEARTBEAT = 1
    EXPIRING = 2
    CLOSING = 4


class Connection(Stream):
    """One open connection. Transports subclass it; the pump alone calls `write` and `control`, never two at a time.

    `owner` is who holds the token, `expires_at` its end (Unix seconds), `token_id` tells tokens apart for revocation.
    `busy`: the pump is at work on it. `gone`: it has ended, and nothing more is written.
    """

    __slots__ = (
        "busy",
        "close_reason",
        "due",
        "ends_at",
        "expires_at",
        "gone",
        "last_sent",
        "opened_at",
        "owner",
        "page_events",
        "task",
        "token_id",
        "warned",
        "writing_since",
    )
    transport = "none"

    def __init__(
        self,
        channels: tuple[str, ...],
        cursor: Cursor,
        *,
        generation: int,
        owner: str,
        token_id: str = "",
        expires_at: float = NEVER,
    ) -> None:
        super().__init__(channels, cursor, generation=generation)
        self.owner = owner
        self.token_id = token_id
        self.expires_at = expires_at
        self.busy = self.gone = self.warned = False
        self.due = Due.NOTHING
        self.opened_at = self.last_sent = 0.0  # monotonic, as all but `expires_at`
        self.ends_at = NEVER
        self.writing_since = NEVER
        self.page_events = FIRST_PAGE_EVENTS
        self.close_reason: CloseReason | None = None
        self.task: asyncio.Task[object] | None = None

    @property
    def topics(self) -> list[str]:
        """The topics that the client named."""
        return [name.removeprefix(TOPIC) for name in self.channels if name.startswith(TOPIC) and name != EVERYONE]

    def write(self, frames: Sequence[Frame]) -> Awaitable[None] | None:
        """Send `frames`; returns None when the transport takes more, else what to wait for until it does.

        A client that is gone swallows them.
        """
        raise NotImplementedError

    async def control(self, control: Control) -> None:
        """Send a control event."""
        raise NotImplementedError

    async def finish(self) -> None:
        """End the transport's message or connection, after `closing`."""
        raise NotImplementedError

    def abandon(self) -> None:
        """End without a word a client that takes nothing: nothing more can be written to it."""
        self.gone = True
        if self.task:
            self.task.cancel()
