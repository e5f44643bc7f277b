"""What ended in the dead-letter queue, against what should have."""

from collections.abc import Set as AbstractSet

import pika


def wrong_dead_letters(broker_url: str, prefix: str, confirmed: AbstractSet[str]) -> list[str]:
    """Each of `confirmed` (ids of messages that must be refused) is there; nothing that was in order is. Blocks."""
    found, strangers = set(), []
    with pika.BlockingConnection(pika.URLParameters(broker_url)) as connection:
        channel = connection.channel()
        while True:
            method, properties, _ = channel.basic_get(f"{prefix}.dead")
            if method is None or properties is None:
                break
            name = properties.message_id or ""
            found.add(name)
            reason = (properties.headers or {}).get("x-notify-reason", properties.headers)
            if name.startswith("recall/") and reason == "not_found":
                continue  # retention was there before it
            if not name.startswith("spoilt/"):
                strangers.append(f"a dead letter that was in order: {name}: {reason!r}")
    return [f"neither in the log nor a dead letter: {name}" for name in sorted(confirmed - found)] + strangers
