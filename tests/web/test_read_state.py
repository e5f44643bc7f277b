"""The read state over HTTP, and what streams say of it: every device of a recipient shows the same number."""

import json
from typing import Any

import httpx
import pytest
import websockets

from notify_sse.web.api.read import MAX_IDS
from tests.support.api import PUBLISH, Api, bearer, fresh, notification
from tests.support.service import Service, ServiceFactory


async def _mark(api: Api, recipient: str, mark: Any, **options: Any) -> httpx.Response:
    content = mark if isinstance(mark, bytes) else json.dumps(mark).encode()
    headers = bearer(api.service.token(recipient)) | options.pop("headers", {})
    return await api.http.post("/notifications/read", content=content, headers=headers, **options)


async def _unread(api: Api, recipient: str) -> dict[str, Any]:
    answer = await api.http.get("/notifications/unread", headers=bearer(api.service.token(recipient)))
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


async def test_what_is_read_on_one_device_is_read_on_the_other(shared: Service) -> None:
    """Both streams get the same event at the same place in their order, with the number that is left."""
    async with Api(shared) as api:
        alice = fresh("alice")
        ids = [fresh("n") for _ in range(3)]
        cursors = await api.publish_many([notification(alice, notification_id=one) for one in ids])
        async with api.stream(alice) as phone, api.stream(alice, last_event_id=cursors[0]) as laptop:
            assert (await phone.event("connected")).json()["unread"] == 3
            connected = (await laptop.event("connected")).json()
            assert connected["unread"] == 3
            # The number holds the two that are replayed now: it is as of the log's end, not of the client's cursor.
            assert connected["cursor"] == cursors[0]
            assert _position(connected["unread_upto"]) >= _position(cursors[2])
            for cursor in cursors[1:]:
                assert (await laptop.event("message")).id == cursor

            answer = await _mark(api, alice, {"upto": cursors[1]})
            assert answer.status_code == 200
            told = answer.json()
            assert (told["unread"], told["read_upto"]) == (1, cursors[1])
            for device in (phone, laptop):
                event = await device.event("read")
                assert event.id == told["cursor"]
                assert event.json() == {"upto": cursors[1], "ids": None, "read": True, "unread": 1}

            answer = await _mark(api, alice, {"ids": [ids[2], "unknown"], "read": True})
            assert answer.json()["unread"] == 0
            for device in (phone, laptop):
                assert (await device.event("read")).json() == {"upto": None, "ids": [ids[2]], "read": True, "unread": 0}
        assert await _unread(api, alice) == {"unread": 0, "read_upto": cursors[1]}


async def test_a_mark_is_resumed_like_any_other_event(shared: Service) -> None:
    """A client that was away gets it at its place among the notifications, once."""
    async with Api(shared) as api:
        alice = fresh("alice")
        first = await api.publish(alice, notification_id="first")
        read = (await _mark(api, alice, {"ids": ["first"]})).json()["cursor"]
        last = await api.publish(alice)
        async with api.stream(alice, last_event_id=first) as stream:
            assert (await stream.event("connected")).json()["unread"] == 1
            seen = [await stream.next() for _ in range(2)]
            assert [(one.event, one.id) for one in seen] == [("read", read), ("message", last)]
        async with api.stream(alice, last_event_id=read) as stream:
            await stream.event("connected")
            assert (await stream.next()).id == last


async def test_marking_what_is_read_appends_nothing(shared: Service) -> None:
    """The same mark again, by whichever way: answered alike, and nobody is told."""
    async with Api(shared) as api:
        alice = fresh("alice")
        await api.publish(alice, notification_id="a")
        cursor = await api.publish(alice, notification_id="b")
        assert (await _mark(api, alice, {"upto": cursor})).json()["cursor"]
        marks: list[dict[str, Any]] = [
            {"upto": cursor},
            {"ids": ["a", "b"], "read": True},
            {"ids": []},
            {"ids": ["c"], "read": False},
        ]
        for again in marks:
            told = (await _mark(api, alice, again)).json()
            assert told == {"unread": 0, "read_upto": cursor, "cursor": None}
        page = (await api.history(alice, after=cursor)).json()
        assert len(page["events"]) == 1


async def test_the_history_says_what_is_read(shared: Service) -> None:
    """Each item has `read`, on both sides of the position; a page that goes on from a cursor has the events, too."""
    async with Api(shared) as api:
        alice, topic = fresh("alice"), fresh("news")
        start = await api.head()
        for name in ("a", "b", "c"):
            await api.publish(alice, notification_id=name)
        cursor = (await api.publish_many([notification(topic=topic)]))[0]
        await _mark(api, alice, {"upto": cursor})
        await _mark(api, alice, {"ids": ["b"], "read": False})
        after = await api.publish(alice, notification_id="d")

        token = shared.token(alice, topics=[topic])
        page = (await api.history(alice, token=token, after=start, topics=topic)).json()
        mine = {one["notification_id"]: one["read"] for one in page["items"] if one.get("recipient_id") == alice}
        assert mine == {"a": True, "b": False, "c": True, "d": False}
        assert [one["read"] for one in page["items"] if one.get("topic") == topic] == [True]
        assert [(one["event"], one["data"]["unread"]) for one in page["events"]] == [("read", 0), ("read", 1)]
        assert page["cursor"] >= after

        newest = (await api.history(alice, order="desc", limit=2)).json()
        assert [(one["notification_id"], one["read"]) for one in newest["items"]] == [("d", False), ("c", True)]
        assert "events" not in newest


async def test_a_long_poll_gets_marks(shared: Service) -> None:
    """A change is all that comes: the poll is answered with it, and goes on behind it."""
    async with Api(shared) as api:
        alice = fresh("alice")
        cursor = await api.publish(alice)
        read = (await _mark(api, alice, {"upto": cursor})).json()["cursor"]
        page = (await api.history(alice, after=cursor, wait=20)).json()
        assert (page["items"], page["cursor"]) == ([], read)
        [event] = page["events"]
        assert (event["event"], event["cursor"], event["data"]["unread"]) == ("read", read, 0)


async def test_a_websocket_gets_marks(shared: Service) -> None:
    """The same greeting and the same event, as JSON."""
    async with Api(shared) as api:
        alice = fresh("alice")
        cursor = await api.publish(alice)
        url = f"{shared.url.replace('http', 'ws', 1)}/notifications/ws"
        async with websockets.connect(url, additional_headers=bearer(shared.token(alice))) as socket:
            greeting = json.loads(await socket.recv())
            assert (greeting["event"], greeting["data"]["unread"]) == ("connected", 1)
            read = (await _mark(api, alice, {"upto": cursor})).json()["cursor"]
            told = json.loads(await socket.recv())
            while told["event"] == "heartbeat":
                told = json.loads(await socket.recv())
            assert (told["id"], told["event"], told["data"]["unread"]) == (read, "read", 0)


async def test_the_number_says_as_of_which_place_it_was_counted(shared: Service) -> None:
    """For a client that is behind: what comes up to there is counted already."""
    async with Api(shared) as api:
        alice = fresh("alice")
        await api.publish(alice)
        items = (await api.history(alice)).json()["items"]
        [item] = [one for one in items if one.get("recipient_id") == alice]  # everyone reads `topic:all`
        headers = bearer(shared.token(alice))
        answer = await api.http.get("/notifications/unread", headers=headers)
        assert answer.json() == {"unread": 1, "read_upto": answer.json()["read_upto"]}
        epoch, _, position = answer.headers["notify-sse-cursor"].partition(".")
        assert epoch == item["cursor"].partition(".")[0]
        assert int(position) >= int(item["cursor"].partition(".")[2])


async def test_silent_notifications_do_not_count(shared: Service) -> None:
    """They arrive and are listed as any other, marked as silent; `false` says the same as nothing."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            assert (await stream.event("connected")).json()["unread"] == 0
            await api.publish(alice, notification_id="s", silent=True)
            await api.publish(alice, notification_id="n", silent=False)
            assert (await stream.event("message")).json()["silent"] is True
            assert "silent" not in (await stream.event("message")).json()
        assert (await _unread(api, alice))["unread"] == 1
        async with api.stream(alice) as stream:
            assert (await stream.event("connected")).json()["unread"] == 1
        same = notification(alice, notification_id="n")
        assert (await api.post(same)).status_code == 200
        assert (await api.post(same | {"silent": True})).status_code == 409
        refused = await api.post(notification(alice, silent="yes"))
        assert (refused.status_code, refused.json()["field"]) == (400, "silent")


@pytest.mark.parametrize(
    ("mark", "field"),
    [
        (b"", "body"),
        (b"{", "body"),
        (b"\xff", "body"),
        ([], "body"),
        ({}, "body"),
        ({"upto": None, "ids": None}, "body"),
        ({"upto": "e.1", "ids": ["a"]}, "upto"),
        ({"upto": "e.1", "read": True}, "read"),
        ({"upto": 7}, "upto"),
        ({"upto": "nonsense"}, "upto"),
        ({"upto": "another.1"}, "upto"),
        ({"upto": ""}, "upto"),
        ({"ids": "a"}, "ids"),
        ({"ids": ["a"] * (MAX_IDS + 1)}, "ids"),
        ({"ids": ["a", 7]}, "ids[1]"),
        ({"ids": [""]}, "ids[0]"),
        ({"ids": ["x" * 129]}, "ids[0]"),
        ({"ids": ["a"], "read": "yes"}, "read"),
        ({"ids": ["a"], "reed": True}, "reed"),
    ],
)
async def test_a_mark_that_breaks_the_contract_is_refused(plain: Service, mark: Any, field: str) -> None:
    """400, and the field at fault is named."""
    async with Api(plain) as api:
        answer = await _mark(api, fresh("alice"), mark)
        assert (answer.status_code, answer.json()["code"], answer.json()["field"]) == (400, "bad_request", field)


async def test_a_cursor_ahead_of_the_log_is_refused(shared: Service) -> None:
    """What is not there yet cannot have been read."""
    async with Api(shared) as api:
        epoch, position = (await api.head()).split(".")
        answer = await _mark(api, fresh("alice"), {"upto": f"{epoch}.{int(position) + 10**6}"})
        assert (answer.status_code, answer.json()["field"]) == (400, "upto")
        assert "beyond the end of the log" in answer.json()["detail"]


async def test_as_many_ids_as_are_allowed(shared: Service) -> None:
    """500 of the longest, in any characters, are one event."""
    async with Api(shared) as api:
        alice = fresh("alice")
        ids = [f"{number:03}" + "🙂" * 125 for number in range(MAX_IDS)]
        await api.publish_many([notification(alice, notification_id=one) for one in ids])
        async with api.stream(alice) as stream:
            assert (await stream.event("connected")).json()["unread"] == MAX_IDS
            assert (await _mark(api, alice, {"ids": ids, "read": True})).json()["unread"] == 0
            assert (await stream.event("read")).json()["ids"] == ids


async def test_who_may_mark(plain: Service) -> None:
    """Whoever reads, by header or cookie; not by a token in a URL, and not with the scope of a publisher alone."""
    async with Api(plain) as api:
        alice = fresh("alice")
        token = plain.token(alice)
        short = plain.token(alice, ttl_s=200)
        for method, path in (("POST", "/notifications/read"), ("GET", "/notifications/unread")):
            cookie = {"Cookie": f"notify_sse_session={token}"}
            body = b'{"ids": []}' if method == "POST" else b""
            assert (await api.http.request(method, path, content=body, headers=cookie)).status_code == 200
            in_url = await api.http.request(method, path, content=body, params={"access_token": short})
            assert in_url.status_code == 401
            publisher = bearer(plain.token(alice, scope=PUBLISH))
            assert (await api.http.request(method, path, content=body, headers=publisher)).status_code == 403
            evil = {**cookie, "Origin": "https://evil.example"}
            assert (await api.http.request(method, path, content=body, headers=evil)).status_code == 401


async def test_without_read_state(service: ServiceFactory) -> None:
    """Switched off, nothing speaks of it: no routes, no number, no marks in the history."""
    off = service(env={"READ_STATE": "false"})
    async with Api(off) as api:
        assert (await _mark(api, "alice", {"ids": []})).status_code in (404, 405)
        await api.publish("alice")
        async with api.stream("alice") as stream:
            assert "unread" not in (await stream.event("connected")).json()
        [item] = (await api.history("alice")).json()["items"]
        assert "read" not in item


def _position(cursor: Any) -> int:
    return int(str(cursor).partition(".")[2])
