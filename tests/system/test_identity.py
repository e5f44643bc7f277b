"""The `notification_id` is the idempotency key within its channel: over AMQP, over HTTP, and across the two."""

import asyncio
from typing import Any

from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.service import ServiceFactory

ID = "order-4711-paid"
CHANNELS: tuple[dict[str, Any], ...] = (
    {"recipient_id": "alice"},
    {"recipient_id": "bob"},
    {"recipient_id": "Alice"},
    {"topic": "alice"},  # as a recipient is called
    {"topic": "news"},
)


async def test_the_key_is_per_channel_whichever_way_it_comes(
    service: ServiceFactory, broker_url: str, amqp_prefix: str
) -> None:
    """One id for five channels is five notifications, and each stream gets its own. Repeated by either way, each is a
    duplicate of its own; with other content it is a conflict with its own. The id may come as the `message_id`.
    """
    running = await asyncio.to_thread(service, broker_url=broker_url, amqp_prefix=amqp_prefix)
    first = [notification(**channel, payload={"for": channel}) for channel in CHANNELS]
    # What the service would make, so that a repetition has the same content.
    whole = [one | {"timestamp": "2026-11-22T10:00:00Z"} for one in first]

    def publish(documents: list[dict[str, Any]], *, by_property: bool = False) -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            for document in documents:
                if by_property:
                    channel.publish(document, message_id=ID)
                else:
                    channel.publish(document | {"notification_id": ID})

    async def counted(outcome: str, number: int) -> None:
        async def reached() -> bool:
            return await api.metric(f'notify_sse_appended_total{{outcome="{outcome}"}}') == number

        await eventually(reached, what=f"{number} counted as {outcome}")

    async with Api(running) as api, api.stream("alice", topics=["alice", "news"]) as stream:
        await stream.event("connected")
        await asyncio.to_thread(publish, whole)
        await counted("new", 5)
        await asyncio.to_thread(publish, whole, by_property=True)
        await counted("duplicate", 5)
        answers = [await api.post(one | {"notification_id": ID}) for one in whole]
        assert [answer.status_code for answer in answers] == [200] * 5
        assert len({answer.json()["cursor"] for answer in answers}) == 5
        news = notification(topic="sport", notification_id=ID)
        assert (await api.post(news)).status_code == 201
        await asyncio.to_thread(publish, [one | {"payload": {"other": True}} for one in whole])
        await counted("conflict", 5)
        got = [await stream.notification() for _ in range(3)]
        assert [one["payload"] for one in got] == [{"for": CHANNELS[place]} for place in (0, 3, 4)]
        assert {one["notification_id"] for one in got} == {ID}
        end = await api.publish("alice")
        assert (await stream.event("message")).id == end, "something was delivered twice"
    with publisher(broker_url, amqp_prefix) as channel:
        assert [letter.reason for letter in channel.dead_letters()] == ["conflict"] * 5
