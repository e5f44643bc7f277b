"""Hostile bytes at a running service: queries, bodies, raw HTTP, raw WebSockets, AMQP. It answers each, and lives."""

import asyncio
import json
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from random import Random
from typing import Any, Final

import httpx
import pika

from tests.security import inputs
from tests.support.service import Service

ANSWER_S: Final = 10.0
"""Time for one answer, on a machine that does other work too."""
AT_ONCE: Final = 8
FIRST_SERVER_ERROR: Final = 500
MEANT: Final = ("501", "503", "505")
"""Answers that say what is not done here."""
INGESTED_S: Final = 120.0
GOOD_RECIPIENT: Final = "fuzz-good"
GOOD_EVERY: Final = 20

Attempt = Callable[[Random], Awaitable[str]]


async def run(attempt: Attempt, *, count: int, seed: int) -> Counter[str]:
    """`count` attempts, some at a time; returns how they ended. An exception names its seed."""
    ends: Counter[str] = Counter()
    numbers = iter(range(seed, seed + count))

    async def work() -> None:
        for number in numbers:
            try:
                async with asyncio.timeout(ANSWER_S):
                    ends[await attempt(Random(number))] += 1
            except BaseException as exc:
                exc.add_note(f"seed {number}")
                raise

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(work())
    return ends


class Target:
    """A running service, as an attacker with a good token sees it."""

    def __init__(self, service: Service, client: httpx.AsyncClient) -> None:
        self._service = service
        self._client = client
        self._reads = service.token("fuzz-reader")
        self._may_be_revoked = service.token("fuzz-reader", ttl_s=1800)
        """For requests that may be a sign-out, which takes the token back."""
        self._publishes = service.token("fuzz", scope="notifications:read notifications:publish")
        self.epoch = ""

    async def history(self, random: Random) -> str:
        """A query of the history."""
        path = f"/notifications/history?{inputs.query(random, self.epoch)}"
        return await self._answer("GET", path, self._reads)

    async def publish(self, random: Random) -> str:
        """A body of a publish."""
        kind = random.choice(("application/json", "application/msgpack", "text/plain"))
        content = inputs.msgpack_body(random) if kind.endswith("msgpack") else inputs.json_body(random)
        return await self._answer("POST", "/notifications", self._publishes, content=content, kind=kind)

    async def token(self, random: Random) -> str:
        """A token that was changed, in the header or in the query."""
        made = inputs.token(random, self._reads).encode("latin-1", errors="replace")
        header = {b"Authorization": b"Bearer " + bytes(byte for byte in made if byte > 0x20)}
        answer = await self._client.get("/notifications/history", headers=header)
        assert answer.status_code in (200, 401), (answer.status_code, answer.text)
        return str(answer.status_code)

    async def stored(self, recipient_id: str) -> list[str]:
        """The notification_ids in the log of one recipient, in order."""
        headers = {"Authorization": f"Bearer {self._service.token(recipient_id)}"}
        ids: list[str] = []
        after = "0"
        while True:
            query = f"after={self.epoch}.{after}&limit=500"
            answer = await self._client.get(f"/notifications/history?{query}", headers=headers)
            page = answer.json()
            ids += (item["notification_id"] for item in page["items"])
            if not page["items"]:
                return ids
            after = page["items"][-1]["cursor"].rpartition(".")[2]

    async def raw_http(self, random: Random) -> str:
        """The bytes of a request, sent as they are."""
        return await self._raw(random, inputs.request(random, self._may_be_revoked))

    async def raw_websocket(self, random: Random) -> str:
        """The bytes of a handshake and of frames, sent as they are."""
        return await self._raw(random, inputs.websocket(random, self._reads))

    async def _answer(self, method: str, path: str, token: str, *, content: bytes = b"", kind: str = "") -> str:
        headers = {"Authorization": f"Bearer {token}"} | ({"Content-Type": kind} if kind else {})
        try:
            answer = await self._client.request(method, path, headers=headers, content=content)
        except httpx.InvalidURL:
            return "not sent"
        assert answer.status_code < FIRST_SERVER_ERROR, (answer.status_code, answer.text)
        return str(answer.status_code)

    async def _raw(self, random: Random, data: bytes) -> str:
        """Send, read a little, and go in one of the ways in which clients go."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self._service.port)
        try:
            cut = random.randrange(len(data) + 1)
            writer.write(data[:cut])
            await asyncio.sleep(0)
            writer.write(data[cut:])
            if random.random() < 0.3:
                writer.write_eof()
            try:
                async with asyncio.timeout(0.05):
                    answered = await reader.read(200)
            except TimeoutError:
                return "silent"
        except OSError:
            return "reset"
        finally:
            writer.transport.abort()
        status = answered[9:12].decode(errors="replace") if answered.startswith(b"HTTP/1.1 ") else "closed"
        assert status[:1] != "5" or status in MEANT, answered
        return status


def properties(random: Random) -> pika.BasicProperties:
    """Properties of an AMQP message as a broken publisher would set them."""
    short = (
        "",
        "x",
        "application/json",
        "application/msgpack",
        "text/plain;charset=\xff",
        "é" * 100,
        "gzip",
        "a" * 255,
    )
    tables: tuple[Any, ...] = (None, {}, {"x": [1, None, {"y": "z"}]}, {"k" * 128: "v" * 1000}, {"x-death": "no"})
    return pika.BasicProperties(
        content_type=random.choice((None, "application/json", *short)),
        content_encoding=random.choice((None, None, None, *short)),
        message_id=random.choice((None, *short)),
        headers=random.choice(tables),
        priority=random.choice((None, 0, 255)),
        timestamp=random.choice((None, 0, 2**63, 10**15)),
        delivery_mode=random.choice((None, 1, 2)),
    )


def publish_amqp(url: str, exchange: str, *, count: int, seed: int) -> list[str]:
    """Give the service `count` hostile messages to ingest, and good ones between them, to `GOOD_RECIPIENT`. Returns the
    ids of those, in order.
    """
    good: list[str] = []
    parameters = pika.URLParameters(url)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.confirm_delivery()
        for number in range(seed, seed + count):
            random = Random(number)
            body = inputs.msgpack_body(random) if random.random() < 0.3 else inputs.json_body(random)
            key = random.choice(("", "recipient.fuzz.note", "k" * 255, "é", "#", "*"))
            channel.basic_publish(exchange, key, body, properties(random))
            if number % GOOD_EVERY == 0:
                good.append(f"good-{number}")
                document = {"notification_id": good[-1], "notification_type": "note", "payload": {}}
                body = json.dumps(document | {"recipient_id": GOOD_RECIPIENT}).encode()
                channel.basic_publish(exchange, f"recipient.{GOOD_RECIPIENT}.note", body)
    return good


def wait_until_ingested(url: str, exchange: str) -> dict[str, int]:
    """Wait until the ingest queue is empty, and count what was buried."""
    with pika.BlockingConnection(pika.URLParameters(url)) as connection:
        channel = connection.channel()

        def count(queue: str) -> int:
            return int(channel.queue_declare(f"{exchange}.{queue}", passive=True).method.message_count)

        until = time.monotonic() + INGESTED_S
        while (waiting := count("ingest")) and time.monotonic() < until:
            connection.sleep(0.1)
        return {"waiting": waiting, "dead letters": count("dead")}
