"""What a whole process exposes at /metrics, after this and that has happened to it."""

from collections.abc import Iterator
from itertools import product
from pathlib import Path

from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from notify_sse.errors import BadNotification, TokenRefused
from notify_sse.version import __version__
from tests.server.in_process import running
from tests.support.api import Api, bearer, notification
from tests.support.polling import eventually

DELIVERIES = 'notify_sse_delivery_seconds_count{since="%s"}'
CANARY = "canary-7f3a"


async def _families(api: Api) -> list[Metric]:
    return list(text_string_to_metric_families((await api.http.get("/metrics")).text))


async def _samples(api: Api) -> Iterator[Sample]:
    return (sample for family in await _families(api) for sample in family.samples)


async def test_each_delivery_to_an_open_stream_is_timed(tmp_path: Path) -> None:
    """Once for each stream, since it was published (by its own timestamp) and since it was committed. What a stream
    resumes waited for its client, and is not counted.
    """
    async with running(tmp_path) as service, Api(service) as api:
        start = await api.publish("alice")
        await api.publish("alice")
        async with (
            api.stream("alice", last_event_id=start) as one,
            api.stream("alice") as two,
            api.stream("bob") as bob,
        ):
            for stream in (one, two, bob):
                await stream.event("connected")
            await one.event("message")
            late = notification("alice", timestamp="2020-01-01T00:00:00Z")
            await api.publish_many([late, notification(topic="all")])
            for stream, count in ((one, 2), (two, 2), (bob, 1)):
                for _ in range(count):
                    await stream.event("message")

            async def counted() -> bool:
                return await api.metric(DELIVERIES % "committed") == 5

            await eventually(counted, what="every delivery to be timed")
            assert await api.metric(DELIVERIES % "published") == 5
            assert await api.metric('notify_sse_delivery_seconds_bucket{le="300.0",since="published"}') == 3
            assert await api.metric('notify_sse_delivery_seconds_bucket{le="5.0",since="committed"}') == 5


async def test_connects_and_lives_of_streams_are_timed_and_resumes_counted(tmp_path: Path) -> None:
    async with running(tmp_path, TAIL_MAX_EVENTS="1") as service, Api(service) as api:
        cursors = [await api.publish("alice") for _ in range(3)]
        for last_event_id, then in (
            ("", "connected"),
            (cursors[2], "connected"),
            (cursors[0], "message"),
            ("x", "reset"),
        ):
            async with api.stream("alice", last_event_id=last_event_id) as stream:
                await stream.event("connected")
                if then != "connected":
                    await stream.event(then)

        async def over() -> bool:
            return await api.metric("notify_sse_stream_seconds_count") == 4

        await eventually(over, what="the streams to be over")
        assert await api.metric("notify_sse_connect_seconds_count") == 4
        assert await api.metric("notify_sse_replay_seconds_count") >= 1
        for how in ("warm", "cold", "reset"):
            assert await api.metric(f'notify_sse_resumes_total{{how="{how}"}}') == 1, how


async def test_every_known_value_of_a_label_is_there_from_the_start(tmp_path: Path) -> None:
    """With 0: a series that begins with its first event hides that event from `increase`."""
    known = {
        "refused_total": {"way": {"amqp", "http"}, "reason": set(BadNotification.REASONS)},
        "dead_letters_total": {"reason": set(BadNotification.REASONS)},
        "token_refused_total": {"reason": set(TokenRefused.REASONS)},
        "appended_total": {"outcome": {"new", "duplicate", "conflict"}},
        "streams_opened_total": {"transport": {"sse", "websocket", "poll"}},
        "streams_closed_total": {
            "reason": {"drain", "token_expired", "revoked", "replaced", "slow_consumer", "client"},
        },
        "streams_refused_total": {"limit": {"not_ready", "max_streams"}},
        "resumes_total": {"how": {"warm", "cold", "reset"}},
        "resets_total": {"reason": {"expired", "unknown_epoch", "ahead_of_log"}},
        "delivery_seconds_count": {"since": {"published", "committed"}},
        "queue_messages": {"queue": {"ingest", "dead"}},
        "http_requests_total": {"route": {"/notifications/stream"}, "status": {"200", "400", "401", "403", "503"}},
    }
    async with running(tmp_path) as service, Api(service) as api:
        at_zero = {(sample.name, *sorted(sample.labels.items())) for sample in await _samples(api) if sample.value == 0}
    for name, labels in known.items():
        for values in product(*labels.values()):
            expected = (f"notify_sse_{name}", *sorted(zip(labels, values, strict=True)))
            assert expected in at_zero


async def test_no_label_holds_a_recipient_a_topic_or_an_id(tmp_path: Path) -> None:
    """Nor a token, a path that was made up, or anything else of a request: whatever is sent, the series stay few."""
    async with running(tmp_path) as service, Api(service) as api:
        before = {(sample.name, *sorted(sample.labels)) for sample in await _samples(api)}
        recipient, topic = f"{CANARY}-recipient", f"{CANARY}-topic"
        headers = {"X-Request-ID": f"{CANARY}-request", "User-Agent": CANARY}
        async with api.stream(recipient, topics=[topic], headers=headers) as stream:
            await stream.event("connected")
            documents = [
                notification(recipient, notification_id=f"{CANARY}-id", notification_type=f"{CANARY}-type"),
                notification(topic=topic, payload={"text": CANARY}),
            ]
            await api.publish_many(documents)
            await stream.event("message")
            await stream.event("message")
        await api.post(notification(recipient, notification_id=f"{CANARY}-id", payload={"other": 1}))
        await api.post({CANARY: 1})
        await api.history(recipient, topics=topic, type=f"{CANARY}-type")
        await api.http.get(f"/{CANARY}", params={CANARY: CANARY})
        await api.http.get("/notifications/stream", params={"topics": topic}, headers=bearer(service.token(recipient)))
        await api.http.get("/notifications/stream", headers=bearer(f"{CANARY}.a.b"))
        samples = list(await _samples(api))
    for sample in samples:
        for label, value in sample.labels.items():
            assert CANARY not in f"{label}{value}", sample
    assert {(sample.name, *sorted(sample.labels)) for sample in samples} == before, "no new label, and no new metric"


async def test_the_state_of_the_process_is_exposed(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Api(service) as api:
        cursor = await api.publish("alice")
        await api.http.get("/nope")

        async def has_lag() -> bool:
            return any(
                sample.value > 0 for sample in await _samples(api) if sample.name == "notify_sse_event_loop_lag_seconds"
            )

        await eventually(has_lag, what="the event loop to be looked at")
        values = {(sample.name, *sorted(sample.labels.values())): sample.value for sample in await _samples(api)}
    epoch = cursor.partition(".")[0]
    assert values["notify_sse_build_info", *sorted((__version__, epoch))] == 1
    assert values["notify_sse_worker_streams", "0"] == 0
    for name in ("ready", "store_connected", "broker_connected"):
        assert values[f"notify_sse_{name}",] == 1, name
    for name in ("slow_readers", "buffered_bytes", "replays_waiting", "tail_lag_events", "oldest_waiting_seconds"):
        assert values[f"notify_sse_{name}",] == 0, name
    assert values["process_resident_memory_bytes",] > 1e6
    assert values["process_cpu_seconds_total",] > 0
    assert values["notify_sse_http_requests_total", "/notifications", "201"] == 1
    assert values["notify_sse_http_requests_total", "404", "other"] == 1
