"""Recipients by any name: each gets what is theirs and nothing else, every pair of them (row 23 of the failures)."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

from tests.support.amqp import printable, publisher
from tests.support.api import Api, bearer, fresh, notification
from tests.support.contract import key_of
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.streams import Listening

LONG = "a" * 200
NAMES = (
    "alice",
    "Alice",
    "ALICE",
    "alice ",
    " alice",
    "alice.bob",
    "alice/bob",
    "#",
    "*",
    "*.*",
    "recipient.#",
    "recipient:alice",
    "recipient.alice",
    "topic:all",
    "topic:news",
    "topic.all.new_message",
    "all",
    "log",
    ".",
    "..",
    "a.b",
    "a%2Eb",
    "a%2eb",
    "%",
    "%25",
    "~",
    "~" + hashlib.sha256(LONG.encode()).hexdigest(),
    "~" + hashlib.sha256(("é" * 100).encode()).hexdigest(),
    LONG,
    "a" * 199,
    "a" * 151,
    "a" * 150,
    "é" * 100,
    "é" * 99,
    "\u00e1lice",
    "a\u0301lice",
    "\u0430lice",
    "\U0001f600",
    "\x00",
    "alice\x00",
    "\x00alice",
    "\n",
    "alice\nbob",
    "alice\r\nid: 1.1",
    "\u2028",
    "\ufeffalice",
    "\u202ealice",
    "'; DROP TABLE log; --",
    '"',
    "\\",
    "null",
    "None",
    "0",
    "-1",
    "{}",
    "${jndi:x}",
    "../../etc/passwd",
    "a,b",
    "a;b",
    "a&b=c",
    "a+b",
    "?",
    "@",
    "ﬃ",
    "ß",
    "SS",
    "İ",
    "i",
)


async def test_over_http_every_pair_of_names_is_kept_apart(shared: Service) -> None:
    """All streams open at once, one notification to each: each stream has exactly its own."""

    async def publish(api: Api) -> None:
        await api.publish_many([notification(name, payload={"for": name}) for name in NAMES])

    await _each_gets_its_own(shared, publish)


async def test_over_amqp_every_pair_of_names_is_kept_apart(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """The same through RabbitMQ, with the contract's routing keys; none of them is refused."""
    env = {"HEARTBEAT_S": "0.5"}
    options: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    running = await asyncio.to_thread(service, env=env, **options)

    def publish_all() -> None:
        with publisher(broker_url, amqp_prefix) as channel:
            for name in NAMES:
                document = notification(name, payload={"for": name}, notification_id=fresh("id"))
                assert printable(key_of(document))
                channel.publish(document)

    async def publish(api: Api) -> None:
        await asyncio.to_thread(publish_all)

        async def appended() -> bool:
            return await api.metric('notify_sse_appended_total{outcome="new"}') == len(NAMES)

        await eventually(appended, what="all to be stored")

    await _each_gets_its_own(running, publish)
    with publisher(broker_url, amqp_prefix) as channel:
        assert list(channel.dead_letters()) == []


async def _each_gets_its_own(service: Service, publish: Callable[[Api], Awaitable[None]]) -> None:
    async with Api(service) as api, AsyncExitStack() as opened:
        start = await api.head()
        streams: dict[str, Listening] = {}
        for name in NAMES:
            streams[name] = await opened.enter_async_context(api.stream(name))
            await streams[name].event("connected")
        await publish(api)
        head = await api.head()
        for name, stream in streams.items():

            async def caught_up(stream: Listening = stream) -> bool:
                return stream.cursor == head

            await eventually(caught_up, what=f"a heartbeat at the head for {name!r}")
            got = [message.json()["payload"] for message in stream.messages if message.event == "message"]
            assert got == [{"for": name}], f"{name!r} got {got}"
            headers = bearer(service.token(name))
            page = (await api.http.get("/notifications/history", params={"after": start}, headers=headers)).json()
            assert [item["recipient_id"] for item in page["items"]] == [name]
