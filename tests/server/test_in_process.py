"""A whole process in the test's own: who is let in, where a client goes on, how streams end."""

import contextlib
from pathlib import Path

import pytest

from tests.server.in_process import running
from tests.support.api import Api, bearer
from tests.support.polling import eventually
from tests.support.services import free_port


async def test_what_is_published_reaches_an_open_stream_and_one_that_comes_back(tmp_path: Path) -> None:
    """The second reads it from the log: a tail of one event does not hold it any more."""
    async with running(tmp_path, TAIL_MAX_EVENTS="1") as service, Api(service) as api:
        async with api.stream("alice", topics=["news"]) as stream:
            await stream.event("connected")
            first = await api.publish("alice")
            assert (await stream.event("message")).id == first
        missed = [await api.publish("alice") for _ in range(5)]
        async with api.stream("alice", last_event_id=first) as stream:
            await stream.event("connected")
            assert [(await stream.event("message")).id for _ in missed] == missed


@pytest.mark.parametrize("cursor", ["garbage", "unknown.7"])
async def test_a_cursor_of_another_log_is_answered_with_a_reset(tmp_path: Path, cursor: str) -> None:
    async with running(tmp_path) as service, Api(service) as api, api.stream("alice", last_event_id=cursor) as stream:
        await stream.event("connected")
        assert (await stream.event("reset")).json()["reason"] == "unknown_epoch"


async def test_a_stream_reads_only_what_its_token_grants(tmp_path: Path) -> None:
    """The scope, each topic, and no more topics than are allowed."""
    async with running(tmp_path) as service, Api(service) as api:
        for token, topics in (
            (service.token("alice", scope="notifications:publish"), "all"),
            (service.token("alice", topics=["news"]), "news,sport"),
            (service.token("alice", topics=[f"t{n}" for n in range(51)]), ",".join(f"t{n}" for n in range(51))),
        ):
            answer = await api.http.get("/notifications/stream", params={"topics": topics}, headers=bearer(token))
            assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


async def test_streams_over_a_limit_are_refused_or_replace_the_oldest(tmp_path: Path) -> None:
    """One recipient's limit costs its own oldest stream; the process's limit refuses."""
    async with (
        running(tmp_path, MAX_STREAMS="3", MAX_STREAMS_PER_RECIPIENT="2") as service,
        Api(service) as api,
        api.stream("alice") as oldest,
        api.stream("alice") as second,
    ):
        await oldest.event("connected")
        await second.event("connected")
        async with api.stream("alice") as third, api.stream("bob") as other:
            await third.event("connected")
            await other.event("connected")
            assert (await oldest.event("closing")).json()["reason"] == "replaced"
            assert await _status(api, "carol") == 503


async def test_the_end_of_a_session_ends_its_streams(tmp_path: Path) -> None:
    async with running(tmp_path) as service, Api(service) as api:
        token = service.token("alice")
        async with api.stream("alice", token=token) as stream:
            await stream.event("connected")
            cookie = {"Cookie": f"notify_sse_session={token}"}
            assert (await api.http.delete("/notifications/session", headers=cookie)).status_code == 204
            assert (await stream.event("closing")).json()["reason"] == "revoked"


async def test_a_token_that_ends_ends_its_stream(tmp_path: Path) -> None:
    async with (
        running(tmp_path, HEARTBEAT_S="1") as service,
        Api(service) as api,
        api.stream("alice", token=service.token("alice", ttl_s=2)) as stream,
    ):
        await stream.event("connected")
        await stream.event("expiring")
        assert (await stream.event("closing")).json()["reason"] == "token_expired"


async def test_a_process_that_only_ingests_is_ready_and_serves_no_streams(tmp_path: Path) -> None:
    nobody = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    async with running(tmp_path, role="ingest", BROKER_URL=nobody) as service, Api(service) as api:

        async def ready() -> bool:
            return (await api.http.get("/readyz")).status_code == 200

        await eventually(ready, what="readiness")
        assert await _status(api, "alice") == 503


async def test_a_drain_tells_every_stream(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as ends_last:
        async with running(tmp_path) as service, Api(service) as api:
            stream = await ends_last.enter_async_context(api.stream("alice"))
            await stream.event("connected")
        assert (await stream.event("closing")).json()["reason"] == "drain"
        await stream.end()


async def _status(api: Api, recipient: str) -> int:
    """The answer to a stream of `recipient`, for who does not ask as an EventSource does."""
    answer = await api.http.get("/notifications/stream", headers=bearer(api.service.token(recipient)))
    return answer.status_code
