"""`GET /notifications/stream`: what it answers, in which order, with which headers."""

import asyncio
import time
from itertools import pairwise

import pytest

from tests.support.api import STREAM, Api, bearer, fresh, notification
from tests.support.service import Service
from tests.web.conftest import HEARTBEAT_S

ADVERSARIAL_TEXTS = (
    "line\nfeed",
    "carriage\rreturn",
    "\r\n\r\ndata: forged\n\n",
    "\n\nid: evil.99\nevent: closing\ndata: {}\n\n",
    ": a comment",
    "\u2028\u2029\u0085\x0b\x0c",
    "nul\x00inside",
    "\ufeffbom",
    "\U0001f600 \U0010ffff é ü 漢",
    "</script><!--",
    '"quotes" and \\backslashes\\',
    " leading space",
    "",
)


async def test_the_first_event_is_connected(shared: Service) -> None:
    """`connected` says where the stream stands, how often it beats and who it is; its id is the cursor."""
    async with Api(shared) as api:
        head = await api.head()
        alice = fresh("alice") + "\u2028"
        async with api.stream(alice) as stream:
            first = await stream.next()
    assert first.event == "connected"
    assert first.json()["recipient_id"] == alice
    own = {"cursor", "heartbeat_s", "connection_id", "recipient_id"}
    assert first.json().keys() == own | {"unread", "unread_upto"}
    assert first.json()["cursor"] == first.id == head
    assert first.json()["heartbeat_s"] == HEARTBEAT_S
    assert first.json()["connection_id"]


async def test_connections_have_ids_and_reconnection_times_of_their_own(plain: Service) -> None:
    """`retry:` is randomised, so that a crowd that was dropped together does not come back together."""
    async with Api(plain) as api:
        greetings = []
        for _ in range(12):
            async with api.stream(fresh("alice")) as stream:
                greetings.append(await stream.next())
    delays = [greeting.retry_ms for greeting in greetings]
    assert all(delay is not None and 1500 <= delay <= 4500 for delay in delays), delays
    assert len(set(delays)) > 6
    assert len({greeting.json()["connection_id"] for greeting in greetings}) == 12


async def test_the_headers_keep_proxies_and_caches_off(plain: Service) -> None:
    """Never cached, transformed, buffered or compressed, whatever the client offers to take."""
    async with Api(plain) as api:
        headers = {"Accept-Encoding": "gzip, deflate, br, zstd"}
        async with api.stream(fresh("alice"), headers=headers) as listening:
            stream = listening.stream
            await listening.next()
    assert stream.status == 200
    assert stream.header("Content-Type") == "text/event-stream; charset=utf-8"
    assert stream.header("Cache-Control") == "no-store, no-transform"
    assert stream.header("X-Accel-Buffering") == "no"
    assert stream.header("Content-Encoding") is None
    assert stream.header("Content-Length") is None
    assert stream.raw.startswith(b"retry: ")


async def test_a_notification_arrives_as_it_is_contracted(shared: Service) -> None:
    """`id:` is the cursor that the publish answered, `data:` one line with the wire names, and there is no `event:`."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            cursor = await api.publish(
                alice,
                notification_id="order-1-" + alice,
                timestamp="2026-11-22T10:00:00.123Z",
                payload={"text": "hi", "n": 1.5, "deep": [{"x": None}]},
                expires_at="2126-01-01T00:00:00Z",
            )
            message = await stream.event("message")
    assert message.id == cursor
    assert message.json() == {
        "notification_id": "order-1-" + alice,
        "notification_type": "new_message",
        "recipient_id": alice,
        "timestamp": "2026-11-22T10:00:00.123Z",
        "payload": {"text": "hi", "n": 1.5, "deep": [{"x": None}]},
        "expires_at": "2126-01-01T00:00:00Z",
    }
    block = stream.stream.raw.partition(b"id: " + cursor.encode() + b"\ndata: {")[2]
    assert block.partition(b"\n\n")[2] in (b"", block) or b"\n" not in block.partition(b"\n\n")[0]


async def test_what_the_publisher_left_out_is_filled_in(shared: Service) -> None:
    """An id that nobody else has, and a timestamp in UTC with milliseconds."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            before = time.time()
            answers = [(await api.post(notification(alice))).json() for _ in range(2)]
            received = [await stream.notification() for _ in range(2)]
    assert [one["notification_id"] for one in received] == [answer["notification_id"] for answer in answers]
    assert answers[0]["notification_id"] != answers[1]["notification_id"]
    stamp = time.strptime(str(received[0]["timestamp"])[:19], "%Y-%m-%dT%H:%M:%S")
    assert str(received[0]["timestamp"])[19] == "."
    assert str(received[0]["timestamp"]).endswith("Z")
    assert abs(time.mktime(stamp) - time.timezone - before) < 60


async def test_the_replay_comes_before_what_is_live(shared: Service) -> None:
    """`connected`, then what was missed, then what is new: ids strictly rise, nothing twice."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        missed = await api.publish_many([notification(alice, payload={"n": n}) for n in range(120)])
        async with api.stream(alice, last_event_id=start) as stream:
            assert (await stream.next()).json()["cursor"] == start
            live = await api.publish_many([notification(alice, payload={"n": n}) for n in range(120, 130)])
            received = [await stream.event("message") for _ in range(130)]
    assert [message.id for message in received] == missed + live
    assert [message.json()["payload"] for message in received] == [{"n": n} for n in range(130)]


async def test_a_stream_without_a_cursor_starts_now(shared: Service) -> None:
    """What was published before is left to the history."""
    async with Api(shared) as api:
        alice = fresh("alice")
        await api.publish(alice)
        async with api.stream(alice) as stream:
            await stream.event("connected")
            later = await api.publish(alice, payload={"text": "later"})
            assert (await stream.event("message")).id == later


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId"])
async def test_the_cursor_may_come_in_the_query(shared: Service, name: str) -> None:
    """For an EventSource that is made anew: it cannot set the header."""
    async with Api(shared) as api:
        alice = fresh("alice")
        first = await api.publish(alice)
        second = await api.publish(alice)
        async with api.stream(alice, params={name: first}) as stream:
            assert (await stream.event("connected")).id == first
            assert (await stream.event("message")).id == second


@pytest.mark.parametrize("name", ["last_event_id", "lastEventId"])
async def test_the_header_wins_over_the_query(shared: Service, name: str) -> None:
    """A native reconnect repeats the old query and sends the newer header."""
    async with Api(shared) as api:
        alice = fresh("alice")
        old, newer, newest = [await api.publish(alice) for _ in range(3)]
        async with api.stream(alice, params={name: old}, last_event_id=newer) as stream:
            assert (await stream.event("connected")).id == newer
            assert (await stream.event("message")).id == newest


async def test_the_type_becomes_the_event_name_when_asked_for(shared: Service) -> None:
    """`event_names=type`; control events keep their names, and any other value is refused by name."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice, params={"event_names": "type"}) as stream:
            await stream.event("connected")
            await api.publish(alice, notification_type="system_alert")
            await api.publish(alice, notification_type="account_update")
            assert (await stream.event("system_alert")).json()["notification_type"] == "system_alert"
            assert (await stream.event("account_update")).json()["recipient_id"] == alice
        headers = bearer(shared.token(alice))
        refused = await api.http.get(STREAM, params={"event_names": "id"}, headers=headers)
    assert refused.status_code == 400
    assert (refused.json()["code"], refused.json()["field"]) == ("bad_request", "event_names")


async def test_a_type_named_as_a_control_event_is_not_taken_for_one(shared: Service) -> None:
    """Nor for one of EventSource's own: it comes as a plain message."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice, params={"event_names": "type"}) as stream:
            await stream.event("connected")
            for kind in ("closing", "reset", "error"):
                await api.publish(alice, notification_type=kind)
                assert (await stream.event("message")).json()["notification_type"] == kind


async def test_granted_topics_are_read_when_named(shared: Service) -> None:
    """The token grants, the request chooses; a topic that is granted but not named is not sent."""
    async with Api(shared) as api:
        alice, news, sport = fresh("alice"), fresh("news"), fresh("sport")
        token = shared.token(alice, topics=[news, sport])
        async with api.stream(alice, token=token, params={"topics": news}) as stream:
            await stream.event("connected")
            await api.publish(topic=sport)
            wanted = await api.publish(topic=news)
            own = await api.publish(alice)
            first, second = await stream.event("message"), await stream.event("message")
    assert [first.id, second.id] == [wanted, own]
    assert first.json()["topic"] == news
    assert "recipient_id" not in first.json()


async def test_everyone_reads_the_topic_all(shared: Service) -> None:
    """Without a grant and without naming it; naming it changes nothing."""
    async with (
        Api(shared) as api,
        api.stream(fresh("alice")) as alice,
        api.stream(fresh("bob"), params={"topics": "all"}) as bob,
    ):
        await alice.event("connected")
        await bob.event("connected")
        cursor = await api.publish(topic="all")
        assert (await alice.event("message")).id == cursor
        assert (await bob.event("message")).id == cursor


async def test_heartbeats_go_to_idle_streams_only_and_carry_the_cursor(shared: Service) -> None:
    """An idle client's Last-Event-ID stays young, whoever else gets notifications; a busy one gets no heartbeats."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as busy, api.stream(fresh("idle")) as idle:
            end = time.monotonic() + 4 * HEARTBEAT_S
            while time.monotonic() < end:
                cursor = await api.publish(alice)
                await asyncio.sleep(HEARTBEAT_S / 10)
            head = await api.head()
            assert head == cursor
            await idle.event("connected")
            beats = [await idle.event("heartbeat") for _ in range(2)]
            while beats[-1].id != head:
                beats.append(await idle.event("heartbeat"))
    assert all(beat.json() == {"cursor": beat.id} for beat in beats)
    positions = [int(str(beat.id).rpartition(".")[2]) for beat in beats]
    assert positions == sorted(positions)
    for message, (before, at) in zip(busy.messages[1:], pairwise(busy.times), strict=True):
        assert message.event == "message" or at - before > HEARTBEAT_S / 2, "a heartbeat to a busy stream"


async def test_a_resume_from_a_heartbeat_has_no_gap(shared: Service) -> None:
    """The cursor of a heartbeat covers all that was sent: what comes after it is what was missed."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            await api.publish(fresh("bob"))
            beat = await stream.event("heartbeat")
        missed = await api.publish(alice)
        async with api.stream(alice, last_event_id=stream.cursor) as again:
            assert stream.cursor >= str(beat.id)
            await again.event("connected")
            assert (await again.event("message")).id == missed


async def test_hostile_text_cannot_break_a_frame(shared: Service) -> None:
    """Line ends, NUL, forged fields: an independent parser reads back exactly what was published."""
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice, params={"event_names": "type"}) as stream:
            await stream.event("connected")
            for text in ADVERSARIAL_TEXTS:
                payload = {text: text, "list": [text]}
                cursor = await api.publish(alice, payload=payload, notification_id=(text + fresh("id"))[:128])
                message = await stream.event("new_message")
                assert message.id == cursor
                assert message.json()["payload"] == payload
                assert str(message.json()["notification_id"]).startswith(text)


async def test_numbers_arrive_as_they_were_sent(shared: Service) -> None:
    """64-bit integers and doubles survive the log: as JSON, exactly."""
    numbers = [0, -1, 2**53 + 1, 2**63 - 1, -(2**63), 2**64 - 1, 0.1, 1e308, -2.5e-308, 5e-324]
    async with Api(shared) as api:
        alice = fresh("alice")
        async with api.stream(alice) as stream:
            await stream.event("connected")
            await api.publish(alice, payload={"numbers": numbers})
            assert (await stream.notification())["payload"] == {"numbers": numbers}


async def test_an_expired_notification_is_passed_over(shared: Service) -> None:
    """`expires_at` in the past: not replayed, and the stream goes on behind it."""
    async with Api(shared) as api:
        alice = fresh("alice")
        start = await api.head()
        await api.publish(alice, expires_at="2020-01-01T00:00:00Z")
        kept = await api.publish(alice)
        async with api.stream(alice, last_event_id=start) as stream:
            await stream.event("connected")
            assert (await stream.event("message")).id == kept
        page = (await api.history(alice, after=start)).json()
        assert ([item["cursor"] for item in page["items"]], page["cursor"]) == ([kept], kept)


async def test_a_page_more_than_once_is_replayed_in_order(shared: Service) -> None:
    """A replay of several pages of 500, mixed with other recipients' notifications."""
    async with Api(shared) as api:
        alice, bob = fresh("alice"), fresh("bob")
        start = await api.head()
        wanted = []
        for batch in range(3):
            documents = [notification((alice, bob)[n % 2], payload={"n": batch * 500 + n}) for n in range(500)]
            wanted += (await api.publish_many(documents))[0::2]
        async with api.stream(alice, last_event_id=start) as stream:
            await stream.event("connected")
            assert [(await stream.event("message")).id for _ in wanted] == wanted
