"""Bad input over AMQP: each refusal goes to the dead letters with its reason, and what is behind it is not held up."""

import asyncio
import json

from tests.support.amqp import DeadLetter, Publisher, publisher
from tests.support.api import Api, notification
from tests.support.polling import eventually
from tests.support.refusals import REFUSALS, Refusal, good
from tests.support.service import ServiceFactory, Stack

KEY = "recipient.alice.new_message"
WRONG_KEYS = (
    "recipient.bob.new_message",
    "recipient.alice.system_alert",
    "recipient.alice",
    "recipient.alice.new_message.extra",
    "recipient.Alice.new_message",
    "recipient.%61lice.new_message",
    "topic.alice.new_message",
    "alice",
    "",
    "#",
)


async def test_every_refusal_is_dead_lettered_and_holds_up_nothing(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """Each refused message is followed by a good one: all good ones arrive, in order, and each refused one lies in the
    dead-letter queue as it was sent, with its reason and a sentence that names the field.
    """
    options: Stack = {"broker_url": broker_url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    running = await asyncio.to_thread(service, **options)
    cases = list(REFUSALS) + _only_over_amqp()
    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        await api.publish("alice", notification_id="taken", payload={"first": True})
        await stream.event("message")
        await asyncio.to_thread(_publish_with_good_ones, broker_url, amqp_prefix, cases)
        names = [(await stream.notification())["notification_id"] for _ in cases]
        assert names == [f"behind-{number}" for number, _ in enumerate(cases)]
        dead = await _dead_letters(broker_url, amqp_prefix, len(cases))
        # They are dead-lettered side by side: in no order of their own.
        dead.sort(key=lambda letter: (letter.body, letter.headers["x-notify-routing-key"], letter.reason))
        for case, letter in zip(
            sorted(cases, key=lambda case: (case.body, _key_of(case), case.reason)), dead, strict=True
        ):
            assert letter.body == case.body, case.name
            assert letter.reason == case.reason, (case.name, letter)
            assert letter.detail.startswith(case.field), (case.name, letter)
            assert len(letter.detail) <= 500
            assert letter.headers["x-notify-routing-key"] == _key_of(case)
            assert letter.properties.content_type == case.content_type
            assert (letter.properties.content_encoding or "") == case.content_encoding
        for reason in {case.reason for case in cases}:
            name = f'notify_sse_refused_total{{reason="{reason}",way="amqp"}}'
            assert await api.metric(name) == sum(case.reason == reason for case in cases)


async def test_properties_that_are_not_utf_8_are_dead_lettered_too(
    service: ServiceFactory, broker_url: str, amqp_prefix: str
) -> None:
    """They grow when they are read, beyond what AMQP takes for a property; and hold up nothing behind them."""
    running = await asyncio.to_thread(service, broker_url=broker_url, amqp_prefix=amqp_prefix)
    garbage = b"\xe9" * 250

    def publish() -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            channel.publish(b"not json", key=KEY, content_type=garbage)
            channel.publish(b"not json", key=KEY, content_encoding=garbage)
            channel.publish(b"not json", key=KEY, message_id=garbage)
            channel.publish(b"not json", key=KEY)

    async with Api(running):
        await asyncio.to_thread(publish)
        dead = await _dead_letters(broker_url, amqp_prefix, 4)
    unsupported = ["unsupported_content_encoding", "unsupported_content_type"]
    assert sorted(letter.reason for letter in dead) == ["malformed", "malformed", *unsupported]


def _only_over_amqp() -> list[Refusal]:
    body = json.dumps(good()).encode()
    conflicting = json.dumps(good(notification_id="taken")).encode()
    return [
        *(Refusal(f"key:{key}", body, "routing_key", "key_mismatch") for key in WRONG_KEYS),
        Refusal("conflict", conflicting, "notification_id", "conflict"),
        Refusal("message-id:" + "x" * 200, body, "message_id", "invalid_field"),
        Refusal("conflict-by-property:taken", body, "notification_id", "conflict"),
        Refusal("array", b"[" + body + b"]", "body", "malformed"),
    ]


def _key_of(case: Refusal) -> str:
    return case.name.removeprefix("key:") if case.name.startswith("key:") else KEY


def _publish_with_good_ones(broker_url: str, prefix: str, cases: list[Refusal]) -> None:
    with publisher(broker_url, prefix) as channel:
        for number, case in enumerate(cases):
            _publish(channel, case)
            channel.publish(notification("alice", notification_id=f"behind-{number}"))


def _publish(channel: Publisher, case: Refusal) -> None:
    kind, _, value = case.name.partition(":")
    message_id = value if kind in ("message-id", "conflict-by-property") else None
    channel.publish(
        case.body,
        key=_key_of(case),
        content_type=case.content_type,
        content_encoding=case.content_encoding or None,
        message_id=message_id,
    )


async def _dead_letters(broker_url: str, prefix: str, count: int) -> list[DeadLetter]:
    letters: list[DeadLetter] = []

    def take() -> None:
        with publisher(broker_url, prefix) as channel:
            letters.extend(channel.dead_letters())

    async def all_there() -> bool:
        await asyncio.to_thread(take)
        return len(letters) >= count

    await eventually(all_there, what=f"{count} dead letters")
    assert len(letters) == count
    return letters


async def test_the_message_id_property_is_the_notification_id(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """When the body has none; a repetition with the same property is dropped, one without any of them is delivered."""
    options: Stack = {"broker_url": broker_url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    running = await asyncio.to_thread(service, **options)

    def publish() -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            for _ in range(2):
                channel.publish(notification("alice"), message_id="by-property")
                channel.publish(notification("alice", notification_id="by-body"), message_id="not-this")
            channel.publish(notification("alice"))
            channel.publish(notification("alice", notification_id="last"))

    async with Api(running) as api, api.stream("alice") as stream:
        await stream.event("connected")
        await asyncio.to_thread(publish)
        names = [(await stream.notification())["notification_id"] for _ in range(4)]
        assert names[:2] == ["by-property", "by-body"]
        assert len(str(names[2])) >= 32
        assert names[3] == "last"
