"""What is taken out of the ingest queue is bounded in bytes, not in messages alone."""

import pytest

from notify_sse.broker.rabbitmq.consuming import Budget
from notify_sse.core.ports import DeadLetter, Message
from tests.broker.brokers import KEY, message, publishing, running, texts
from tests.broker.rabbitmq import Open
from tests.support.polling import eventually

BUDGET = 2_000_000
LARGE = 300_000


@pytest.mark.parametrize(
    ("held_bytes", "message_bytes", "messages"),
    [(64_000_000, 16_000, 2000), (64_000_000, 1_000_000, 64), (1_000_000, 2_000_000, 1)],
)
def test_the_prefetch_allows_for_the_largest_messages(held_bytes: int, message_bytes: int, messages: int) -> None:
    """So that sound messages, which are always held, stay within the budget; one is always let through."""
    assert Budget(2000, held_bytes, message_bytes).messages == messages


async def test_messages_without_room_are_dead_letters_with_their_bodies_and_are_never_held(open_broker: Open) -> None:
    """In whatever order acks come: one frame may ack everything up to a later message, but not them. What is sound is
    delivered, in order, as ever.
    """
    broker = open_broker(held_bytes=BUDGET, message_bytes=1000)
    large = [Message(bytes([65 + n]) * LARGE, KEY, f"large-{n}") for n in range(12)]
    async with running(broker, consumes=True) as process:
        async with publishing(broker, *(one for n in range(12) for one in (message(n), large[n]))):
            await process.until(lambda: len([text for text in process.heard if len(text) < 1000]) == 12)
            assert broker.held_bytes <= BUDGET
            held = [delivery for delivery in process.deliveries if len(delivery.body) == LARGE]
            assert len(held) * LARGE <= BUDGET // 4
            assert [text for text in texts(process.deliveries) if len(text) < 1000] == [str(n) for n in range(12)]
        for delivery in held:
            await broker.dead_letter(delivery, reason="too_large", detail="over 1000 bytes")
        await broker.ack(process.deliveries)

        async def all_moved() -> list[DeadLetter]:
            """The broker moves what it was given back in its own time."""
            found = await broker.dead_letters(limit=100)
            return found if len(found) >= len(large) else []

        letters = await eventually(all_moved, what="all large ones among the dead letters")
    bodies = sorted(letter.body for letter in letters)
    assert all(body == one.body for body, one in zip(bodies, large, strict=True))  # pytest shows no 3.6 MB
    assert {letter.reason for letter in letters} == {"too_large"}
    assert sum("unread" in letter.detail for letter in letters) == 12 - len(held)
    assert process.oversized == [LARGE] * (12 - len(held))
