"""`GET /notifications/history?wait=`: a page as soon as there is one."""

import asyncio
import time
from typing import Any

import pytest

from tests.support.api import Api, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory

WAKE_UP_S = 1.0


async def _published(api: Api, recipient: str, count: int, **fields: Any) -> list[str]:
    return await api.publish_many([notification(recipient, payload={"n": n}, **fields) for n in range(count)])


async def _publish_into(published: list[str], api: Api, recipient: str, count: int) -> None:
    """One after the other, each cursor noted as soon as it is known."""
    for n in range(count):
        cursor = await api.publish(recipient, payload={"n": n})
        published.append(cursor)


def _cursors(page: dict[str, Any]) -> list[str]:
    return [item["cursor"] for item in page["items"]]


@pytest.mark.parametrize("other", [{"order": "desc"}, {"before": "{head}"}])
async def test_waiting_goes_with_neither_descending_nor_before(plain: Service, other: dict[str, str]) -> None:
    """What it would wait for can never come."""
    async with Api(plain) as api:
        other = {name: value.replace("{head}", await api.head()) for name, value in other.items()}
        answer = await api.history(fresh("alice"), wait=1, **other)
    assert (answer.status_code, answer.json()["field"]) == (400, "wait")


async def test_waiting_returns_at_once_what_is_there(shared: Service) -> None:
    """A long poll with something to say does not wait, and says where to go on."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        published = await _published(api, alice, 3)
        began = time.monotonic()
        page = (await api.history(alice, after=start, wait=20)).json()
        assert time.monotonic() - began < 5
        assert _cursors(page) == published
        assert page["cursor"] == published[-1]
        limited = (await api.history(alice, after=start, wait=20, limit=2)).json()
        assert (_cursors(limited), limited["cursor"], limited["more"]) == (published[:2], published[1], True)


async def test_waiting_wakes_up_with_the_notification(shared: Service) -> None:
    """As fast as a stream: the wake-up is the hub's, not a timer's."""
    async with Api(shared) as api:
        alice = fresh("alice")
        delays = []
        cursor = await api.head()
        for _ in range(5):
            waiting = asyncio.create_task(api.history(alice, after=cursor, wait=20))
            await _until_polling(api)
            published = await api.publish(alice)
            began = time.monotonic()
            page = (await waiting).json()
            delays.append(time.monotonic() - began)
            assert _cursors(page) == [published]
            cursor = page["cursor"]
    assert sorted(delays)[2] < WAKE_UP_S, delays


async def test_waiting_for_a_type_is_not_woken_by_another(shared: Service) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        waiting = asyncio.create_task(api.history(alice, after=await api.head(), wait=20, type="system_alert"))
        await _until_polling(api)
        await api.publish(alice, notification_type="new_message")
        wanted = await api.publish(alice, notification_type="system_alert")
        page = (await waiting).json()
    assert _cursors(page) == [wanted]


async def test_waiting_counts_as_a_stream(service: ServiceFactory) -> None:
    """Within the limit of the process, and of the recipient, whose oldest gives way and is told."""
    limits = {"MAX_STREAMS": "3", "MAX_STREAMS_PER_RECIPIENT": "2"}
    running = await asyncio.to_thread(service, env=limits)
    async with Api(running) as api:
        oldest, second = (asyncio.create_task(api.history("alice", wait=20)) for _ in range(2))

        async def open_now(count: int) -> bool:
            return await api.metric("notify_sse_streams") == count

        await eventually(lambda: open_now(2), what="two polls")
        third = asyncio.create_task(api.history("alice", wait=20))
        done, waiting = await asyncio.wait((oldest, second, third), return_when=asyncio.FIRST_COMPLETED, timeout=10)
        assert done <= {oldest, second}
        assert [(await one).json()["items"] for one in done] == [[]]
        await eventually(lambda: open_now(2), what="two polls again")
        other = asyncio.create_task(api.history("bob", wait=20))
        await eventually(lambda: open_now(3), what="three polls")
        refused = await api.history("carol", wait=20)
        assert (refused.status_code, refused.json()["code"]) == (503, "overloaded")
        await api.publish("alice")
        await api.publish("bob")
        assert all([(await one).json()["items"] for one in (*waiting, other)])


async def test_waiting_ends_with_the_token(plain: Service) -> None:
    async with Api(plain) as api:
        began = time.monotonic()
        token = plain.token(alice := fresh("alice"), ttl_s=1.5)
        page = (await api.history(alice, token=token, wait=20)).json()
        assert time.monotonic() - began < 6
        assert page["items"] == []


async def test_waiting_in_vain_ends_in_time_with_a_young_cursor(shared: Service) -> None:
    """An empty page after `wait` seconds; its cursor has moved past what was for others."""
    async with Api(shared) as api:
        began = time.monotonic()
        alice = fresh("alice")
        waiting = asyncio.create_task(api.history(alice, after=await api.head(), wait=1))
        await _until_polling(api)
        other = await api.publish(fresh("bob"))
        page = (await waiting).json()
        assert 0.9 < time.monotonic() - began < 5
    assert page == {"recipient_id": alice, "items": [], "cursor": other, "more": False, "reset": None}


async def test_waiting_without_a_cursor_waits_for_what_is_new(shared: Service) -> None:
    """As a stream without a cursor: what was before is left to a plain page."""
    async with Api(shared) as api:
        alice = fresh("alice")
        await api.publish(alice)
        waiting = asyncio.create_task(api.history(alice, wait=20))
        await _until_polling(api)
        published = await api.publish(alice)
        assert _cursors((await waiting).json()) == [published]


async def test_a_chain_of_long_polls_gets_each_exactly_once(shared: Service) -> None:
    """Long polling as a transport: publishes between and during the polls, nothing lost, nothing twice."""
    async with Api(shared) as api:
        alice = fresh("alice")
        cursor = await api.head()
        published: list[str] = []
        publishing = asyncio.create_task(_publish_into(published, api, alice, 50))
        seen: list[str] = []
        while len(seen) < 50:
            page = (await api.history(alice, after=cursor, wait=10)).json()
            seen += _cursors(page)
            cursor = page["cursor"]
        await publishing
    assert seen == published


async def _until_polling(api: Api) -> None:
    """A long poll is a connection like any other: wait until it is open, by the gauge."""

    async def polling() -> bool:
        return await api.metric("notify_sse_streams") > 0

    await eventually(polling, what="the long poll to begin")
