"""`GET /notifications/history`: pages of what a recipient got, gap-free with the stream, and long polling."""

import asyncio
from typing import Any

import asyncpg
import pytest

from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory


async def _published(api: Api, recipient: str, count: int, **fields: Any) -> list[str]:
    return await api.publish_many([notification(recipient, payload={"n": n}, **fields) for n in range(count)])


async def _publish_into(published: list[str], api: Api, recipient: str, count: int) -> None:
    """One after the other, each cursor noted as soon as it is known."""
    for n in range(count):
        cursor = await api.publish(recipient, payload={"n": n})
        published.append(cursor)


def _cursors(page: dict[str, Any]) -> list[str]:
    return [item["cursor"] for item in page["items"]]


async def test_a_page_is_as_contracted(shared: Service) -> None:
    """The items as they were delivered, each with its cursor; never cached."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        document = notification(alice, notification_id=fresh("id"), timestamp="2026-11-22T10:00:00Z")
        cursor = (await api.post(document)).json()["cursor"]
        answer = await api.history(alice, after=start)
    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json() == {
        "recipient_id": alice,
        "items": [{**document, "cursor": cursor, "read": False}],
        "cursor": cursor,
        "more": False,
        "reset": None,
    }


async def test_without_a_cursor_it_begins_with_the_oldest(shared: Service) -> None:
    """Ascending is the order of delivery; a recipient that never got anything has an empty page."""
    async with Api(shared) as api:
        alice = fresh("alice")
        published = await _published(api, alice, 3)
        page = (await api.history(alice, limit=500)).json()
        assert [item["cursor"] for item in page["items"] if item.get("recipient_id") == alice] == published
        nobody = fresh("nobody")
        nothing = (await api.history(nobody, after=published[-1])).json()
        assert nothing == {
            "recipient_id": nobody,
            "items": [],
            "cursor": await api.head(),
            "more": False,
            "reset": None,
        }


async def test_paging_forward_misses_and_repeats_nothing(shared: Service) -> None:
    """`after` = the last page's `cursor`, until `more` is false; others' notifications in between do not matter."""
    async with Api(shared) as api:
        alice, bob = fresh("alice"), fresh("bob")
        start = cursor = await api.head()
        cursors = await api.publish_many([notification((alice, bob)[n % 2]) for n in range(23)])
        seen, more, pages = [], True, 0
        while more:
            page = (await api.history(alice, after=cursor, limit=5)).json()
            assert len(page["items"]) <= 5
            seen += _cursors(page)
            cursor, more, pages = page["cursor"], page["more"], pages + 1
    assert seen == cursors[0::2]
    assert pages == 3
    assert cursor == cursors[-1] != start


async def test_paging_backward_misses_and_repeats_nothing(shared: Service) -> None:
    """`order=desc`: the newest first; `before` = the oldest item's cursor leads on."""
    async with Api(shared) as api:
        alice = fresh("alice")
        published = await _published(api, alice, 12)
        page = (await api.history(alice, order="desc", limit=5)).json()
        assert page["cursor"] == await api.head(), "the stream goes on from here"
        seen = _cursors(page)
        while page["more"] and len(seen) < 12:
            page = (await api.history(alice, order="desc", limit=5, before=seen[-1])).json()
            seen += _cursors(page)
    assert seen[:12] == published[::-1]


async def test_before_and_after_bound_a_range(shared: Service) -> None:
    """Both exclusive, in ascending order."""
    async with Api(shared) as api:
        alice = fresh("alice")
        published = await _published(api, alice, 6)
        page = (await api.history(alice, after=published[1], before=published[4])).json()
        assert _cursors(page) == published[2:4]
        one = (await api.history(alice, after=published[1], before=published[4], limit=1)).json()
        assert (_cursors(one), one["more"]) == ([published[2]], True)


async def test_an_empty_range_leaves_the_cursor_where_it_was(shared: Service) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        published = await _published(api, alice, 3)
        page = (await api.history(alice, after=published[2], before=published[0])).json()
        assert (page["items"], page["cursor"]) == ([], published[2])


async def test_before_and_after_bound_a_range_that_is_read_back(shared: Service) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        published = await _published(api, alice, 6)
        page = (await api.history(alice, order="desc", after=published[1], before=published[5])).json()
        assert _cursors(page) == published[4:1:-1]
        page = (await api.history(alice, order="desc", after=published[3])).json()
        assert (_cursors(page), page["reset"]) == (published[5:3:-1], None)


async def test_types_filter(shared: Service) -> None:
    """One type, or several; the cursor still passes over what was filtered out."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        types = ["account_update", "new_message", "system_alert", "new_message"]
        published = [await api.publish(alice, notification_type=kind) for kind in types]
        one = (await api.history(alice, after=start, type="account_update")).json()
        assert _cursors(one) == published[:1]
        assert one["cursor"] == await api.head()
        two = (await api.history(alice, after=start, type="account_update,system_alert")).json()
        assert _cursors(two) == [published[0], published[2]]
        none = (await api.history(alice, after=start, type="no_such_type")).json()
        assert _cursors(none) == []


async def test_topics_are_read_when_granted_and_named(shared: Service) -> None:
    """The same rule as for the stream."""
    async with Api(shared) as api:
        alice, news = fresh("alice"), fresh("news")
        start = await api.head()
        own, shared_one = await api.publish(alice), await api.publish(topic=news)
        token = shared.token(alice, topics=[news])
        assert _cursors((await api.history(alice, token=token, after=start)).json()) == [own]
        named = (await api.history(alice, token=token, after=start, topics=news)).json()
        assert _cursors(named) == [own, shared_one]
        assert (await api.history(alice, after=start, topics=news)).status_code == 403


async def test_the_default_limit_is_fifty_and_the_highest_five_hundred(shared: Service) -> None:
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        await _published(api, alice, 500)
        last = await api.publish(alice)
        default = (await api.history(alice, after=start)).json()
        assert (len(default["items"]), default["more"]) == (50, True)
        most = (await api.history(alice, after=start, limit=500)).json()
        assert (len(most["items"]), most["more"]) == (500, True)
        rest = (await api.history(alice, after=most["cursor"], limit=500)).json()
        assert (_cursors(rest), rest["more"]) == ([last], False)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limit", "0"),
        ("limit", "501"),
        ("limit", "-1"),
        ("limit", "ten"),
        ("limit", "1.5"),
        ("limit", ""),
        ("type", "note\0"),
        ("type", "Note"),
        ("type", "note,é"),
        ("order", "newest"),
        ("order", ""),
        ("wait", "31"),
        ("wait", "-1"),
        ("wait", "nan"),
        ("wait", "inf"),
        ("wait", "soon"),
        ("limit", "1_0"),
        ("limit", "\u0665"),
        ("wait", "1_0"),
    ],
)
async def test_a_bad_parameter_is_refused_by_name(plain: Service, name: str, value: str) -> None:
    async with Api(plain) as api:
        answer = await api.history(fresh("alice"), **{name: value})
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json()["code"], answer.json()["field"]) == ("bad_request", name)


@pytest.mark.parametrize(
    "place", [{"after": "", "wait": 5}, {"after": ""}, {"before": ""}, {"after": "", "order": "desc"}]
)
@pytest.mark.parametrize(("cursor", "came"), [("junk", None), ("old-epoch.5", "old-epoch.5")])
async def test_a_cursor_that_cannot_be_continued_is_a_reset(
    shared: Service, place: dict[str, Any], cursor: str, came: str | None
) -> None:
    """As in the stream: the reason, the range, where it goes on, at once."""
    async with Api(shared) as api:
        params = {name: value or cursor for name, value in place.items()}
        page = (await api.history(fresh("alice"), **params)).json()
        assert (page["items"], page["more"]) == ([], False)
        assert (page["reset"]["reason"], page["reset"]["from"]) == ("unknown_epoch", came)
        assert page["reset"]["to"] == page["cursor"] == await api.head()


async def test_a_cursor_ahead_of_the_log_is_a_reset(shared: Service) -> None:
    async with Api(shared) as api:
        head = await api.head()
        epoch, _, position = head.rpartition(".")
        ahead = f"{epoch}.{int(position) + 1000}"
        page = (await api.history(fresh("alice"), after=ahead)).json()
        assert (page["reset"]["reason"], page["reset"]["from"], page["reset"]["to"]) == ("ahead_of_log", ahead, head)


async def test_a_page_of_another_log_is_a_reset_before_the_process_has_noticed(
    service: ServiceFactory, database_url: str
) -> None:
    """The log is restored, or given a new epoch: whoever asks with an old cursor in that second is told."""
    running = await asyncio.to_thread(service, database_url=database_url)
    async with Api(running) as api:
        old = await _published(api, "alice", 3)
        connection = await asyncpg.connect(database_url)
        await connection.execute("UPDATE log_head SET epoch = 'another'")
        await connection.close()
        for params in ({"after": old[0]}, {"before": old[2]}, {"after": old[0], "order": "desc"}):
            page = (await api.history("alice", **params)).json()
            assert page["reset"]["reason"] == "unknown_epoch", params
            assert page["items"] == []


async def test_reading_back_from_the_start_ends_there(shared: Service) -> None:
    async with Api(shared) as api:
        epoch = (await api.head()).partition(".")[0]
        page = (await api.history(fresh("alice"), before=f"{epoch}.0", order="desc")).json()
        assert (page["items"], page["cursor"]) == ([], f"{epoch}.0")


async def test_from_a_page_to_the_stream_there_is_no_gap(shared: Service) -> None:
    """While someone publishes all the time: first the history, then the stream from its cursor; each exactly once."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        published: list[str] = []
        publishing = asyncio.create_task(_publish_into(published, api, alice, 60))

        async def halfway() -> bool:
            return len(published) > 20

        await eventually(halfway, what="some to be published")
        page = (await api.history(alice, after=start, limit=500)).json()
        seen = _cursors(page)
        async with api.stream(alice, last_event_id=page["cursor"]) as stream:
            await stream.event("connected")
            await publishing
            while seen[-1] != published[-1]:
                seen.append(str((await stream.event("message")).id))
    assert seen == published


async def test_from_the_stream_to_a_page_there_is_no_gap(shared: Service) -> None:
    """The other way round: the stream's last cursor is good for `after`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            await api.publish(alice)
            await stream.event("message")
        missed = await _published(api, alice, 3)
        assert _cursors((await api.history(alice, after=stream.cursor)).json()) == missed


async def test_a_page_needs_a_token(plain: Service) -> None:
    async with Api(plain) as api:
        assert (await api.http.get("/notifications/history")).status_code == 401
        headers = bearer("not-a-token")
        assert (await api.http.get("/notifications/history", headers=headers)).status_code == 401
