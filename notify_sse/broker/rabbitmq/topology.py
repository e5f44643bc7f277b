"""The exchanges and queues on RabbitMQ: their names, and how they are declared.

It is part of the AMQP contract: other programs rely on it. Every process declares it again after every connect. That is
idempotent, and it brings the topology back after an operator removed it. Nothing is published or consumed here.
"""

from typing import Any, Final

import msgspec
from aiormq import Channel

DELIVERY_LIMIT: Final = 20
UNLIMITED: Final = 2**31 - 1
"""The delivery limit of the dead-letter queue. A look at a dead letter puts it back into its queue, and that counts as
a delivery. RabbitMQ 4 would drop it after 20 looks. RabbitMQ 3.10 does not know -1 for "no limit"."""

LIVE_KEY: Final = "log"


class Topology(msgspec.Struct, frozen=True):
    """The names of our exchanges and queues. Each begins with `prefix`."""

    prefix: str

    @property
    def notifications(self) -> str:
        """The topic exchange that publishers publish to."""
        return self.prefix

    @property
    def ingest(self) -> str:
        """The quorum queue of messages that are not in the log yet."""
        return f"{self.prefix}.ingest"

    @property
    def dead_letter_exchange(self) -> str:
        return f"{self.prefix}.dlx"

    @property
    def dead(self) -> str:
        """The quorum queue of refused messages."""
        return f"{self.prefix}.dead"

    @property
    def live(self) -> str:
        """The topic exchange of announcements."""
        return f"{self.prefix}.live"

    def exchanges(self) -> tuple[tuple[str, str], ...]:
        """Each exchange with its type, in the order in which they are declared."""
        return (self.dead_letter_exchange, "fanout"), (self.live, "topic"), (self.notifications, "topic")

    def queues(self) -> tuple[tuple[str, dict[str, Any]], ...]:
        """Each queue with its arguments, in the order in which they are declared."""
        return (self.dead, self._dead_arguments()), (self.ingest, self._ingest_arguments())

    async def find(self, channel: Channel, *, timeout_s: float) -> None:
        """Look for all of it, as a user who may not declare. What is missing raises `ChannelNotFoundEntity`."""
        for exchange, _ in self.exchanges():
            await channel.exchange_declare(exchange, passive=True, timeout=timeout_s)
        for queue, _ in self.queues():
            await channel.queue_declare(queue, passive=True, timeout=timeout_s)

    async def declare(self, channel: Channel, *, timeout_s: float) -> None:
        """Declare all of it. A name that exists with other properties raises `ChannelPreconditionFailed`.

        The dead-letter exchange and queue come first: a refused message needs them. The ingest queue is bound to every
        key, so that a message with a wrong key is refused with a reason; without that binding it would vanish.
        """
        for exchange, kind in self.exchanges():
            await channel.exchange_declare(exchange, exchange_type=kind, durable=True, timeout=timeout_s)
        for queue, arguments in self.queues():
            await channel.queue_declare(queue, durable=True, arguments=arguments, timeout=timeout_s)
        await channel.queue_bind(self.dead, self.dead_letter_exchange, timeout=timeout_s)
        await channel.queue_bind(self.ingest, self.notifications, "#", timeout=timeout_s)

    def _ingest_arguments(self) -> dict[str, Any]:
        return {
            "x-queue-type": "quorum",
            "x-single-active-consumer": True,
            "x-delivery-limit": DELIVERY_LIMIT,
            "x-dead-letter-exchange": self.dead_letter_exchange,
            # At least once: otherwise the broker may lose messages that it dead-letters itself. It requires
            # reject-publish, which has no effect here, since the queue has no length limit.
            "x-dead-letter-strategy": "at-least-once",
            "x-overflow": "reject-publish",
        }

    def _dead_arguments(self) -> dict[str, Any]:
        return {"x-queue-type": "quorum", "x-delivery-limit": UNLIMITED}
