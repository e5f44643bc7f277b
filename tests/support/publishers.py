"""Publishers that go on until each of their notifications is accepted, and a record of it for the checker.

One thread or task each; a publisher waits for an answer before it publishes the next, so its order is known.
"""

import asyncio
import contextlib
import itertools
import json
import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import httpx
import pika.exceptions

from tests.support import amqp
from tests.support.api import bearer
from tests.support.checker import Published
from tests.support.contract import channel_of

RETRY_S = 0.05
MAX_AHEAD = 1000


class Load:
    """What is published, and what came of it: `published` in the order of the answers.

    `delivered` tells how many have reached a client: publishers stay `MAX_AHEAD` of it at most, so that whatever
    happens in between happens while they publish.
    """

    def __init__(self, *, recipients: list[str], topics: list[str], seed: int, delivered: Callable[[], int]) -> None:
        self.published: list[Published] = []
        self.retries = 0
        self._delivered = delivered
        self._recipients = recipients
        self._topics = topics
        self._seed = seed

    def documents(self, publisher: str, count: int) -> Iterator[dict[str, Any]]:
        """`count` notifications: most to one recipient, some to a topic, a few to everyone."""
        chance = random.Random(f"{self._seed} {publisher}")
        for number in range(count):
            draw = chance.random()
            address = {"recipient_id": chance.choice(self._recipients)}
            if draw < 0.005:
                address = {"topic": "all"}
            elif draw < 0.05:
                address = {"topic": chance.choice(self._topics)}
            name = f"{publisher}-{number}"
            yield address | {
                "notification_id": name,
                "notification_type": "new_message",
                "payload": {"n": name, "text": "x" * chance.randrange(200)},
            }

    @property
    def too_far_ahead(self) -> bool:
        """Whether publishers should wait for the clients."""
        return len(self.published) > self._delivered() + MAX_AHEAD

    def accepted(self, publisher: str, document: dict[str, Any]) -> None:
        """The broker confirmed it, or the service answered 2xx."""
        name = document["notification_id"]
        self.published.append(Published(name, channel_of(document), name, publisher, "accepted"))


def publish_over_amqp(load: Load, *, url: str, prefix: str, name: str, count: int) -> None:
    """With pika and confirms, in a thread; connects again and repeats what was not confirmed."""
    waiting = load.documents(name, count)
    document = next(waiting, None)
    while document:
        try:
            with amqp.publisher(url, prefix) as channel:
                while document:
                    while load.too_far_ahead:
                        channel.channel.connection.sleep(RETRY_S)
                    channel.publish(document)
                    load.accepted(name, document)
                    document = next(waiting, None)
        except (pika.exceptions.AMQPError, OSError):
            load.retries += 1
            time.sleep(RETRY_S)


async def publish_over_http(load: Load, *, url: str, token: str, name: str, count: int, at_once: int = 20) -> None:
    """With POST, some alone and some in arrays of `at_once`; repeats with the same ids until 2xx."""
    waiting, size = list(load.documents(name, count)), at_once
    async with httpx.AsyncClient(base_url=url, headers=bearer(token), timeout=15, verify=False) as http:
        while waiting:
            batch, waiting = waiting[:size], waiting[size:]
            size = 1 if size > 1 else at_once
            load.retries += await post_until_accepted(http, batch)
            for document in batch:
                load.accepted(name, document)


async def post_until_accepted(http: httpx.AsyncClient, documents: Sequence[dict[str, Any]]) -> int:
    """POST them, with the same ids until 2xx, as a publisher that never gives up; how often it was tried in vain."""
    body = json.dumps(list(documents))
    for attempt in itertools.count():
        # AttributeError: anyio's, for a connection that was reset before it could look at its address.
        with contextlib.suppress(httpx.TransportError, AttributeError):
            answer = await http.post("/notifications", content=body)
            if answer.status_code in (200, 201):
                return attempt
            assert answer.status_code in (502, 503), answer.text
        await asyncio.sleep(RETRY_S)
    raise AssertionError("not reached")
