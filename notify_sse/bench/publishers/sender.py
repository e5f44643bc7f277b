"""The port of the two senders: `amqp` publishes to RabbitMQ, `http` to the service or to another server."""

from array import array
from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

MAX_IN_FLIGHT: Final = 20_000
"""With so many unconfirmed notifications the publisher waits. The wait is reported as lateness."""


class Outbound(msgspec.Struct, frozen=True, gc=False):
    """One notification to publish. Those of one `index` (a recipient, or -1 for a topic) keep their order."""

    index: int
    name: str
    routing_key: str
    body: bytes


class Sender(Protocol):
    """Publishes, and counts the answers. `failed` of the `confirmed` were answered, but refused or not routed."""

    sent: int
    confirmed: int
    failed: int
    confirm_ns: "array[int]"

    def send(self, messages: Sequence[Outbound]) -> None:
        """Publish in order; does not wait."""

    async def room(self) -> None:
        """Wait until more may be sent. Raises `SendFailed` or OSError when the connection is gone."""

    async def close(self) -> None:
        """Drop the connections."""
