"""Cursors that a client brings: what cannot be continued exactly is told as a `reset`, never as an error or silence."""

import asyncio
import re

import pytest

from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.streams import Listening

EPOCH = "{epoch}"
HEAD = "{head}"
UNPARSABLE = (
    "x",
    "42",
    ".",
    ".42",
    f"{EPOCH}.",
    f"{EPOCH}.-1",
    f"{EPOCH}.+1",
    f"{EPOCH}.01",
    f"{EPOCH}.1.2",
    f"{EPOCH}.1e3",
    f"{EPOCH}.0x10",
    f"{EPOCH}.{'9' * 64}",
    f"{EPOCH} .1",
    f"{EPOCH}.1 2",
    "a" * 500,
    "é.1",
    "undefined",
    "null",
    "{}",
    "' OR 1=1 --",
    "%00",
)


async def _parts(api: Api) -> tuple[str, int]:
    epoch, _, position = (await api.head()).rpartition(".")
    return epoch, int(position)


async def _expect_reset(stream: Listening, *, reason: str, came: str | None) -> str:
    """`connected` without an id, then `reset` with one. Returns where it goes on."""
    connected = await stream.next()
    assert connected.event == "connected"
    assert connected.id is None, "cut off here, the client must still hold its old cursor"
    reset = await stream.next()
    assert reset.event == "reset"
    told = reset.json()
    assert told.keys() == {"reason", "from", "to", "history"}
    assert (told["reason"], told["from"]) == (reason, came)
    assert told["to"] == reset.id == connected.json()["cursor"]
    return str(told["to"])


async def test_a_cursor_that_does_not_parse_is_reset(shared: Service) -> None:
    """From the query, where anything can come; the stream then goes on live from the head."""
    async with Api(shared) as api:
        epoch, _ = await _parts(api)
        for cursor in UNPARSABLE:
            alice = fresh("alice")
            async with api.stream(alice, params={"last_event_id": cursor.replace(EPOCH, epoch)}) as stream:
                await _expect_reset(stream, reason="unknown_epoch", came=None)
                published = await api.publish(alice)
                assert (await stream.event("message")).id == published


async def test_a_cursor_of_another_log_is_reset(shared: Service) -> None:
    """An epoch that is not ours: its positions mean nothing here."""
    async with Api(shared) as api:
        alice = fresh("alice")
        await api.publish(alice)
        async with api.stream(alice, last_event_id="another-epoch.1") as stream:
            assert await _expect_reset(stream, reason="unknown_epoch", came="another-epoch.1") == await api.head()
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published


@pytest.mark.parametrize("ahead", [1, 1000, 10**12])
async def test_a_cursor_ahead_of_the_log_is_reset(shared: Service, ahead: int) -> None:
    """A log that lost its newest events, or a forged cursor: the head is asked first, then the client is told."""
    async with Api(shared) as api:
        epoch, position = await _parts(api)
        brought = f"{epoch}.{position + ahead}"
        async with api.stream(fresh("alice"), last_event_id=brought) as stream:
            assert await _expect_reset(stream, reason="ahead_of_log", came=brought) == await api.head()


async def test_the_cursor_at_the_head_is_no_reset(shared: Service) -> None:
    """The boundary: everything was seen, nothing is told twice."""
    async with Api(shared) as api:
        alice = fresh("alice")
        head = await api.publish(alice)
        async with api.stream(alice, last_event_id=head) as stream:
            assert (await stream.next()).id == head
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published


async def test_a_position_too_large_for_any_log_is_ahead_of_it(shared: Service) -> None:
    """Not taken for another log."""
    async with Api(shared) as api:
        epoch, _ = await _parts(api)
        for position in (2**63 - 1, 2**63, 10**50):
            brought = f"{epoch}.{position}"
            async with api.stream(fresh("alice"), last_event_id=brought) as stream:
                await _expect_reset(stream, reason="ahead_of_log", came=brought)
            page = (await api.history(fresh("alice"), before=brought)).json()
            own = [item for item in page["items"] if item.get("topic") != "all"]  # others publish to everyone
            assert (own, page["reset"]) == ([], None)


async def test_the_history_that_a_reset_names_has_the_topics_too(shared: Service) -> None:
    async with Api(shared) as api:
        alice, news = fresh("alice"), fresh("news")
        published = [await api.publish(alice), await api.publish(topic=news)]
        async with api.stream(alice, topics=[news], last_event_id="old-epoch.7") as stream:
            await stream.event("connected")
            link = str((await stream.event("reset")).json()["history"])
        answer = await api.http.get(link, headers=bearer(shared.token(alice, topics=[news])))
    own = [item for item in answer.json()["items"] if item.get("recipient_id") == alice or item.get("topic") == news]
    assert [item["cursor"] for item in own] == published[::-1]


async def test_the_history_that_a_reset_names_can_be_read(shared: Service) -> None:
    """The link leads to what the log still holds, newest first, with the same token."""
    async with Api(shared) as api:
        alice = fresh("alice")
        published = [await api.publish(alice) for _ in range(3)]
        async with api.stream(alice, last_event_id="old-epoch.7") as stream:
            await stream.event("connected")
            link = str((await stream.event("reset")).json()["history"])
        assert re.fullmatch(r"/notifications/history\?[\w.&=-]+", link)
        answer = await api.http.get(link, headers=bearer(shared.token(alice)))
    own = [item["cursor"] for item in answer.json()["items"] if item.get("recipient_id") == alice]
    assert own == published[::-1]


@pytest.mark.parametrize("tail", [{"TAIL_MAX_EVENTS": "1"}, {}], ids=["a tail of one", "the tail held them too"])
async def test_what_retention_removed_is_told_with_its_range(
    service: ServiceFactory, on_stack: Stack, tail: dict[str, str]
) -> None:
    """`expired`: from the client's cursor to the floor; what the log still holds follows; nothing is silent."""
    running = await asyncio.to_thread(service, **on_stack, env={"RETENTION_S": "1", **tail})
    async with Api(running) as api:
        alice = fresh("alice")
        start = await api.head()
        removed = await api.publish_many([notification(alice, payload={"n": n}) for n in range(5)])
        await _until_expired(api, 5)
        kept = await api.publish_many([notification(alice, payload={"n": n}) for n in range(5, 8)])
        async with api.stream(alice, last_event_id=start) as stream:
            assert (await stream.event("connected")).id == start
            reset = await stream.event("reset")
            received = [await stream.event("message") for _ in kept]
        assert reset.json()["reason"] == "expired"
        assert reset.json()["from"] == start
        assert reset.json()["to"] == reset.id == removed[-1]
        assert [message.id for message in received] == kept
        page = (await api.history(alice, after=start)).json()
        assert page["reset"]["reason"] == "expired"
        assert (page["reset"]["from"], page["reset"]["to"]) == (start, removed[-1])
        polled = (await api.history(alice, after=start, wait=5)).json()
        assert polled["reset"]["reason"] == "expired"
        assert polled["cursor"] == removed[-1]


async def _until_expired(api: Api, count: int) -> None:
    async def expired() -> bool:
        return await api.metric("notify_sse_expired_total") == count

    await eventually(expired, what="retention", within_s=20)

    async def forgotten() -> bool:
        return await api.metric("notify_sse_tail_events") <= 1

    await eventually(forgotten, what="the tail to follow retention", within_s=30)
