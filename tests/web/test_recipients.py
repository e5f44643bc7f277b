"""Recipients and topics by any name: each gets what is theirs and nothing else, every pair of them, over each
transport, also of what was read, recalled, traced, exported and erased (row 23 of the failures).
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any, Final
from urllib.parse import quote

import msgspec
import pytest

from tests.support.amqp import printable, publisher
from tests.support.api import Api, bearer, fresh, notification
from tests.support.contract import channel_of, key_of
from tests.support.names import RECIPIENTS, TOPICS
from tests.support.polling import eventually
from tests.support.service import ServiceFactory, Stack
from tests.web.hearing import TRANSPORTS, Ask, Said
from tests.web.test_admin import administrator

AT_ONCE: Final = 20
MARKED: Final = frozenset(RECIPIENTS[::2])
RECALLED: Final = frozenset(RECIPIENTS[1::4])
ERASED: Final = frozenset(RECIPIENTS[::9])
"""Of each two neighbours, which are alike, something happens to one only."""


class Names(msgspec.Struct, frozen=True):
    """The ids that all recipients and topics get: the same for each, since an id is a key within its channel."""

    missed: str
    live: str
    end: str

    def documents(self, notification_id: str) -> list[dict[str, Any]]:
        """That notification for every recipient and every topic; each says whose it is."""
        own = [{"recipient_id": name} for name in RECIPIENTS] + [{"topic": name} for name in TOPICS]
        return [notification(**one, payload=one, notification_id=notification_id) for one in own]

    def heard_by(self, channel: str) -> list[tuple[str, str, Any]]:
        """What a reader of `channel` hears, who reads a topic or is a recipient: the event, its id, whose it is."""
        kind, _, name = channel.partition(":")
        own = {"recipient_id" if kind == "recipient" else "topic": name}
        expected: list[tuple[str, str, Any]] = [("message", self.missed, own), ("message", self.live, own)]
        if kind == "recipient":
            expected += [("read", self.missed, None)] * (name in MARKED)
            expected += [("recalled", self.missed, None)] * (name in RECALLED)
        return [*expected, ("message", self.end, {"topic": "all"})]


def _plainly(said: Said) -> tuple[str, str, Any]:
    if said.event != "message":
        (notification_id,) = said.data.get("ids") or [said.data.get("notification_id")]
        return said.event, notification_id, None
    assert channel_of(said.data) == channel_of(said.data["payload"])
    return said.event, said.data["notification_id"], said.data["payload"]


def test_there_are_enough_names() -> None:
    assert len(set(RECIPIENTS)) == len(RECIPIENTS) >= 200
    assert len(set(TOPICS)) == len(TOPICS)


@pytest.mark.deadline(120)
async def test_every_pair_of_names_is_kept_apart(service: ServiceFactory, on_stack: Stack) -> None:
    """One id for all of them, published over AMQP where there is a broker, then over HTTP to open streams."""
    running = await asyncio.to_thread(service, **on_stack)
    names = Names(fresh("missed"), fresh("live"), fresh("end"))
    async with Api(running) as api:
        start = await api.head()
        await _publish(api, names.documents(names.missed))
        await _heard_over_each_transport(api, names, start)
        await _each_reads_its_own(api, names, start)
        await _each_is_traced_and_exported_alone(api, names)
        await _erased_are_these_only(api, names, start)


async def _publish(api: Api, documents: list[dict[str, Any]]) -> None:
    """Over AMQP with the contract's routing keys, if the service has a broker: none of them is refused."""
    url, prefix = api.service.env["NOTIFY_SSE_BROKER_URL"], api.service.env.get("NOTIFY_SSE_AMQP_PREFIX", "")
    if url == "memory://":
        await api.publish_many(documents)
        return
    counter = 'notify_sse_appended_total{outcome="new"}'
    before = await api.metric(counter)

    def publish_all() -> None:
        with publisher(url, prefix) as channel:
            for document in documents:
                assert printable(key_of(document))
                channel.publish(document)

    await asyncio.to_thread(publish_all)

    async def stored() -> bool:
        return await api.metric(counter) == before + len(documents)

    await eventually(stored, what="all to be stored")


async def _heard_over_each_transport(api: Api, names: Names, start: str) -> None:
    """All readers at once by all transports: what they missed, then live."""
    connected = asyncio.Semaphore(0)
    readers: dict[str, tuple[str, tuple[str, ...]]] = {f"recipient:{name}": (name, ()) for name in RECIPIENTS}
    readers |= {f"topic:{name}": (fresh("reader"), (name,)) for name in TOPICS}
    hearing: dict[tuple[str, str], asyncio.Task[list[Said]]] = {}
    async with asyncio.TaskGroup() as group:
        for channel, (recipient, topics) in readers.items():
            ask = Ask(api=api, recipient=recipient, topics=topics, after=start, until=names.end, connected=connected)
            for transport, hear in TRANSPORTS.items():
                hearing[transport, channel] = group.create_task(hear(ask))
        for _ in hearing:
            await connected.acquire()
        await api.publish_many(names.documents(names.live))
        await _at_once(_mark(api, name, names.missed) for name in MARKED)
        await _at_once(_recall(api, name, names.missed) for name in RECALLED)
        await api.publish(topic="all", payload={"topic": "all"}, notification_id=names.end)
    for (transport, channel), task in hearing.items():
        heard = [_plainly(said) for said in task.result()]
        assert heard == names.heard_by(channel), (transport, channel)


async def _mark(api: Api, name: str, notification_id: str) -> None:
    mark = {"ids": [notification_id], "read": True}
    answer = await api.http.post("/notifications/read", json=mark, headers=bearer(api.service.token(name)))
    assert answer.json()["cursor"], f"{name!r}: {answer.text}"


async def _recall(api: Api, name: str, notification_id: str) -> None:
    path = f"/notifications/{notification_id}"
    answer = await api.http.delete(path, params={"recipient_id": name}, headers=bearer(api.publisher))
    assert answer.json()["cursor"], f"{name!r}: {answer.text}"


async def _each_reads_its_own(api: Api, names: Names, start: str) -> None:
    """The history: its items, whether each is read, and how many are not."""

    async def read(name: str) -> None:
        page = (await api.history(name, after=start, limit="500")).json()
        missed = [] if name in RECALLED else [(names.missed, {"recipient_id": name}, name in MARKED)]
        expected = [*missed, (names.live, {"recipient_id": name}, False), (names.end, {"topic": "all"}, False)]
        found = [(one["notification_id"], one["payload"], one["read"]) for one in page["items"]]
        assert (page["recipient_id"], found) == (name, expected)
        unread = await api.http.get("/notifications/unread", headers=bearer(api.service.token(name)))
        done = name in MARKED or name in RECALLED
        assert unread.json()["unread"] == 2 - done, f"{name!r}"

    await _at_once(read(name) for name in RECIPIENTS)


async def _each_is_traced_and_exported_alone(api: Api, names: Names) -> None:
    headers = administrator(api.service)

    async def traced(name: str) -> None:
        path = f"/admin/notifications/{names.live}"
        answer = await api.http.get(path, params={"recipient_id": name}, headers=headers)
        # With those on topics, which the recipient may have read too, as far as the answer has room for them.
        told = [one["recipient_id"] for one in answer.json()["items"] if "topic" not in one]
        assert told == [name]
        answer = await api.http.get(f"/admin/recipients/{_in_a_path(name)}", headers=headers)
        first, *rest = [msgspec.json.decode(line) for line in answer.content.splitlines()]
        assert first["recipient_id"] == name, f"{name!r}: {answer.text}"
        stored = [line["notification"]["payload"] for line in rest if line["kind"] == "notification"]
        assert [one for one in stored if one != {"recipient_id": name}] == [], f"{name!r}"

    await _at_once(traced(name) for name in RECIPIENTS)


async def _erased_are_these_only(api: Api, names: Names, start: str) -> None:
    headers = administrator(api.service)

    async def erase(name: str) -> None:
        answer = await api.http.delete(f"/admin/recipients/{_in_a_path(name)}", headers=headers)
        assert answer.json()["recipient_id"] == name, f"{name!r}: {answer.text}"

    async def read(name: str) -> None:
        page = (await api.history(name, after=start, limit="500")).json()
        kept = [one["payload"] for one in page["items"] if one["notification_id"] == names.live]
        assert kept == ([] if name in ERASED else [{"recipient_id": name}]), f"{name!r}"

    await _at_once(erase(name) for name in ERASED)
    await _at_once(read(name) for name in RECIPIENTS)


def _in_a_path(name: str) -> str:
    """`name` as a part of a path. Its dots too: clients take `.` and `..` for steps of it."""
    return quote(name, safe="").replace(".", "%2E")


async def _at_once(works: Iterable[Awaitable[None]]) -> None:
    """Some of them at a time."""
    room = asyncio.Semaphore(AT_ONCE)

    async def one(work: Awaitable[None]) -> None:
        async with room:
            await work

    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(one(work))
