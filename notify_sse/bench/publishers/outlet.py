"""Ways out for the publisher: what an outlet is. `amqp` publishes to RabbitMQ, `http` to the service or another hub."""

from array import array
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

MAX_IN_FLIGHT: Final = 20_000
"""Unconfirmed notifications at which the publisher waits; it is told as lateness then."""


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """One notification on its way out. Those of one `index` (a recipient, or -1 for a topic) keep their order."""

    index: int
    name: str
    routing_key: str
    body: bytes


class Outlet(Protocol):
    """Publishes and counts. `failed` are among the confirmed: answered, but refused or not routed."""

    sent: int
    confirmed: int
    failed: int
    confirm_ns: "array[int]"

    def send(self, messages: Sequence[Outbound]) -> None:
        """Publish in order; does not wait."""

    async def room(self) -> None:
        """Wait until more may be sent. Raises `Unsent` or OSError when the connection is gone."""

    async def close(self) -> None:
        """Drop the connections."""
