"""Many dead letters at once, written as ingest writes them."""

import asyncio
from collections.abc import Sequence
from typing import Final

from notify_sse.broker import open_broker
from notify_sse.core.ports import Broker, Delivery, Listener

KEY: Final = "recipient.alice.new_message"
AT_A_TIME: Final = 100


async def refuse_many(broker: Broker, bodies: Sequence[bytes], *, reason: str = "malformed") -> None:
    """Each of `bodies` becomes a dead letter, in this order."""
    for at in range(0, len(bodies), AT_A_TIME):
        await asyncio.gather(
            *(
                broker.dead_letter(
                    Delivery(
                        body=body,
                        routing_key=KEY,
                        content_type="application/json",
                        message_id=None,
                        redelivered=False,
                        tag=None,
                    ),
                    reason=reason,
                    detail="refused by a test",
                )
                for body in bodies[at : at + AT_A_TIME]
            )
        )


async def refuse_at(broker_url: str, prefix: str, *many: tuple[str, Sequence[bytes]]) -> None:
    """On a broker of its own: each reason with its bodies."""
    broker, connected = open_broker(broker_url, prefix=prefix, publish_timeout_s=10), asyncio.Event()
    await broker.start(Listener(on_connected=connected.set))
    try:
        await connected.wait()
        for reason, bodies in many:
            await refuse_many(broker, bodies, reason=reason)
    finally:
        await broker.close()
