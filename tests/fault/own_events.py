"""Read marks and recalls among the rest of a campaign: who makes them, and what must be true of them at the end."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tests.fault.clients import Client
from tests.fault.http import Connection
from tests.fault.ledger import Ledger, Recallable
from tests.fault.publishers import ForeignAmqp
from tests.fault.scribe import Stored
from tests.support.checker import Outcome
from tests.support.contract import key_of

ATTEMPT_S: Final = 4.0
ATTEMPTS: Final = 8
GONE: Final = "!gone"


async def _at_intervals(stop: asyncio.Event, rng: Random, every_s: float) -> bool:
    """Wait for the next turn. False: it is over."""
    try:
        async with asyncio.timeout(rng.expovariate(1 / every_s)):
            await stop.wait()
    except TimeoutError:
        return True
    return False


async def _ask(port: int, method: str, path: str, *, token: str, body: bytes = b"") -> int:
    """The status; 0 when there was no answer."""
    connection = Connection(port)
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        return (await connection.request(method, path, headers=headers, body=body, within_s=ATTEMPT_S))[0]
    except (OSError, EOFError, TimeoutError, ValueError):
        return 0
    finally:
        connection.close()


class Recaller:
    """Takes back notifications that were accepted a moment ago, over HTTP and over AMQP, each until it is accepted."""

    def __init__(
        self, way: ForeignAmqp, *, choose: Callable[[], int], token: str, ledger: Ledger, rng: Random, every_s: float
    ) -> None:
        self._way = way
        self._choose = choose
        self._token = token
        self._ledger = ledger
        self._rng = rng
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while await _at_intervals(stop, self._rng, self._every_s):
            if self._ledger.recallable:
                await self._recall(self._rng.choice(self._ledger.recallable))

    async def _recall(self, one: Recallable) -> None:
        self._ledger.recalling(one)
        by_amqp = self._rng.random() < 0.5
        for _ in range(ATTEMPTS):
            outcome = await (self._by_amqp(one) if by_amqp else self._by_http(one))
            if outcome != "unknown":
                break
            await asyncio.sleep(self._rng.random())
        self._ledger.seen[f"recalls {outcome}"] += 1
        if outcome == "accepted":
            self._ledger.recalls.add(one.notification_id)

    async def _by_http(self, one: Recallable) -> Outcome:
        kind, _, name = one.channel.partition(":")
        address = f"{'recipient_id' if kind == 'recipient' else 'topic'}={quote(name, safe='')}"
        path = f"/notifications/{quote(one.notification_id, safe='')}?{address}"
        status = await _ask(self._choose(), "DELETE", path, token=self._token)
        # 404: what the broker confirmed is not in the log yet.
        return "accepted" if status == 200 else "refused" if status == 404 else "unknown"

    async def _by_amqp(self, one: Recallable) -> Outcome:
        document: dict[str, Any] = {**one.address, "notification_id": one.notification_id, "recall": True}
        key = key_of(document | {"notification_type": one.notification_type})
        name = f"recall/{one.notification_id}"
        return await self._way.publish_raw(msgspec.json.encode(document), key=key, message_id=name)


class Marker:
    """Users who read what they have: all of it, or a few, or say that they did not."""

    def __init__(
        self,
        clients: Sequence[Client],
        *,
        choose: Callable[[], int],
        token: Callable[[str], str],
        ledger: Ledger,
        rng: Random,
        every_s: float,
    ) -> None:
        self._clients = clients
        self._choose = choose
        self._token = token
        self._ledger = ledger
        self._rng = rng
        self._every_s = every_s

    async def run(self, stop: asyncio.Event) -> None:
        """Until `stop`."""
        while await _at_intervals(stop, self._rng, self._every_s):
            client = self._rng.choice(self._clients)
            if client.cursor and client.holding.items:
                await self._mark(client)

    async def _mark(self, client: Client) -> None:
        names = list(client.holding.items)
        some = self._rng.sample(names, k=min(3, len(names)))
        mark: dict[str, Any] = {"ids": some, "read": self._rng.random() < 0.6}
        if self._rng.random() < 0.4:
            mark = {"upto": client.cursor}
        token, body = self._token(client.recipient), msgspec.json.encode(mark)
        status = await _ask(self._choose(), "POST", "/notifications/read", token=token, body=body)
        self._ledger.seen[f"marks answered {status}"] += 1


def disagreements(clients: Sequence[Client], ledger: Ledger, stored: Stored) -> Iterator[str]:
    """What is held at the end, or was to be gone, against the log. (Of what expired, the log need not tell.)"""
    for name in sorted(ledger.recalls):
        row = stored.rows.get(ledger.history.places.get(name, 0))
        if row and row.kind != GONE:
            yield f"{name} was recalled, and is still in the log"
    for client in clients:
        for name, item in client.holding.items.items():
            row = stored.rows.get(item.place)
            if row is None or row.expires:
                continue
            if row.kind == GONE:
                yield f"{client.name} holds {name}, which was recalled"
            elif item.channel == f"recipient:{client.recipient}" and item.read != stored.is_read(item.place):
                yield f"{client.name} takes {name} for {'read' if item.read else 'unread'}"
