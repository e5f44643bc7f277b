"""What an operator asks and does over `/admin`: the overview, streams and their ends, dead letters, settings."""

import asyncio
import json
import time
from contextlib import AsyncExitStack
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from notify_sse.core.journal import Gateway
from notify_sse.store import open_access_records
from notify_sse.version import __version__
from notify_sse.web.admin.overview import gateways_of
from tests.support.amqp import publisher
from tests.support.api import Api, bearer, fresh
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory
from tests.support.services import PostgresServer, free_port
from tests.web.test_admin import administrator
from tests.web.test_contract import Contract

CONNECTIONS = "/admin/connections"
LETTERS = "/admin/dead-letters"
REPLAY = "/admin/dead-letters/replay"
TOLD_WITHIN_S = 2.0


async def noted(service: Service, *, of: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Who did this, to what and how, as the audit log has it: the newest first."""
    records = open_access_records(service.env["NOTIFY_SSE_DATABASE_URL"])
    found = await records.audit(before=None, limit=100)
    await records.close()
    return [(one.who, one.target, json.loads(one.details)) for one in found if one.action == of]


async def test_the_answers_are_as_the_contract_says_and_for_administrators_only(plain: Service) -> None:
    async with Api(plain) as api:
        contract, headers = await Contract.of(api), administrator(plain)
        for path in ("/admin/overview", "/admin/streams", "/admin/settings", LETTERS):
            contract.holds(await api.http.get(path, headers=headers), status=200)
            for other in (bearer(plain.token("alice")), bearer(api.publisher)):
                contract.holds(await api.http.get(path, headers=other), status=403)
            contract.holds(await api.http.get(path), status=401)
        contract.holds(await api.http.get("/admin/streams", headers=headers, params={"limit": "0"}), status=400)
        assert (await api.http.delete(f"{CONNECTIONS}/x")).status_code == 401
        assert (await api.http.delete(LETTERS, params={"all": "1"})).status_code == 401
        assert (await api.http.post(REPLAY, json={"all": True})).status_code == 401


async def test_the_overview_names_every_gateway_with_its_streams(shared: Service) -> None:
    """As of its last beat, at most a second ago; and whoever has ended in order is told to have stopped."""
    async with Api(shared) as api, api.stream(fresh("alice")) as stream:
        await stream.event("connected")
        headers = administrator(shared)

        async def told() -> Any:
            overview = (await api.http.get("/admin/overview", headers=headers)).json()
            mine = [one for one in overview["gateways"] if one["gateway"] == overview["gateway"]]
            return mine and mine[0]["streams"] and mine[0]["lag"] == 0 and (overview, mine[0])

        overview, mine = await eventually(told, what="a beat with the stream in it")
        assert (mine["state"], mine["version"], mine["lost"]) == ("up", overview["version"], 0)
        assert mine["age_s"] < 5
        assert overview["ready"]
        assert overview["degraded"] == []
        assert overview["queues"] == {"ingest": 0, "dead": 0}
        assert overview["cursor"].startswith(mine["epoch"] + ".")


async def test_the_overview_forgets_a_gateway_that_died_ten_minutes_ago() -> None:
    asked: list[int] = []

    async def gateways(*, since_ms: int) -> list[Gateway]:
        asked.append(since_ms)
        return []

    service: Any = SimpleNamespace(journal=SimpleNamespace(gateways=gateways))
    assert await gateways_of(service) == []
    assert time.time() - asked[0] / 1000 == pytest.approx(600, abs=5)


async def test_who_holds_most_streams_is_told_and_one_of_them_ends(plain: Service) -> None:
    """The others go on; the end is noted, and its client may come back."""
    alice = fresh("alice")
    async with Api(plain) as api, api.stream(alice) as first, api.stream(alice) as second:
        ended = (await first.event("connected")).json()["connection_id"]
        kept = (await second.event("connected")).json()["connection_id"]
        headers = administrator(plain, "ops-1")
        held = (await api.http.get("/admin/streams", headers=headers, params={"limit": "500"})).json()
        assert {"recipient_id": alice, "streams": 2} in held["items"]
        assert (held["complete"], held["gateways"]) == (True, [held["gateway"]])
        assert [one["streams"] for one in held["items"]] == sorted(one["streams"] for one in held["items"])[::-1]
        answer = await api.http.delete(f"{CONNECTIONS}/{ended}.1", headers=headers)  # a later row of the journal
        assert (answer.status_code, answer.json()) == (200, {"connection_id": ended, "ended": "here"})
        assert (await first.event("closing")).json()["reason"] == "drain"
        assert ("ops-1", ended, {}) in await noted(plain, of="connection.end")
        answer = await api.http.delete(f"{CONNECTIONS}/nobody", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
        held = (await api.http.get("/admin/streams", headers=headers, params={"limit": "500"})).json()
        assert {"recipient_id": alice, "streams": 1} in held["items"]
        assert not any(message.event == "closing" for message in second.messages), kept


@pytest.mark.parametrize(
    "wanted", [{}, {"all": False}, {"all": True, "reason": "x"}, {"handles": []}, {"handle": "x"}, {"reason": 1}, []]
)
async def test_nobody_replays_all_by_leaving_something_out(plain: Service, wanted: Any) -> None:
    before = await noted(plain, of="dead_letters.replay")
    async with Api(plain) as api:
        refused = await api.http.post(REPLAY, headers=administrator(plain), json=wanted)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert await noted(plain, of="dead_letters.replay") == before


@pytest.mark.parametrize("params", [{}, {"all": "0"}, {"all": "1", "reason": "x"}, {"reason": ""}, {"handle": ""}])
async def test_nobody_purges_all_by_leaving_something_out(plain: Service, params: dict[str, str]) -> None:
    before = await noted(plain, of="dead_letters.purge")
    async with Api(plain) as api:
        refused = await api.http.delete(LETTERS, headers=administrator(plain), params=params)
        assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")
    assert await noted(plain, of="dead_letters.purge") == before


async def test_settings_are_told_without_secrets(plain: Service) -> None:
    async with Api(plain) as api:
        answer = await api.http.get("/admin/settings", headers=administrator(plain))
    found = {one["name"]: one for one in answer.json()["items"]}
    assert plain.env["NOTIFY_SSE_JWT_SECRET"] not in answer.text
    secret = found["NOTIFY_SSE_JWT_SECRET"]
    assert (secret["value"], secret["secret"], secret["source"]) == ("***", True, "environment")
    assert found["NOTIFY_SSE_HEARTBEAT_S"]["value"] == plain.env["NOTIFY_SSE_HEARTBEAT_S"]
    assert found["NOTIFY_SSE_RETENTION_S"]["source"] == "default"


@pytest.mark.deadline(120)
async def test_dead_letters_are_listed_shown_replayed_and_purged(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, database_url: str
) -> None:
    """Each change noted before it is made; a trace tells of them, and the metrics count them."""
    running = await asyncio.to_thread(
        service, broker_url=broker_url, amqp_prefix=amqp_prefix, database_url=database_url
    )
    good = {"notification_type": "t", "recipient_id": "alice", "payload": {}}
    bodies = [("recipient.alice.t", b"not json"), ("recipient.bob.t", json.dumps(good).encode()), ("x", b"\xff\x00")]

    def publish() -> None:
        with publisher(broker_url, amqp_prefix) as publishing:
            for key, body in bodies:
                publishing.publish(body, key=key, message_id="n1")

    await asyncio.to_thread(publish)
    headers = administrator(running)
    async with Api(running) as api:

        async def listed(**params: str) -> Any:
            answer = await api.http.get(LETTERS, headers=headers, params=params)
            assert answer.status_code == 200, answer.text
            return answer.json()

        async def three() -> Any:
            found = await listed()
            return len(found["items"]) == 3 and found

        found = await eventually(three, what="three dead letters")
        assert found["reasons"] == {"malformed": 2, "key_mismatch": 1}
        assert not found["more"]
        assert (await listed(limit="1"))["more"]
        trace = (await api.http.get("/admin/notifications/n1", headers=headers)).json()
        assert (trace["state"], trace["items"]) == ("refused", [])
        assert sorted(one["reason"] for one in trace["refused"]) == ["key_mismatch", "malformed", "malformed"]
        metrics = (await api.http.get("/metrics")).text
        assert 'notify_sse_dead_letters_total{reason="malformed"} 2.0' in metrics
        [mismatch] = (await listed(reason="key_mismatch"))["items"]
        assert "body" not in mismatch
        by_key = {one["routing_key"]: one["handle"] for one in found["items"]}
        shown = (await api.http.get(f"{LETTERS}/{mismatch['handle']}", headers=headers)).json()
        assert json.loads(shown["body"]) == good
        raw = (await api.http.get(f"{LETTERS}/{by_key['x']}", headers=headers)).json()
        assert (raw["body_base64"], "body" in raw) == ("/wA=", False)
        assert (await api.http.get(f"{LETTERS}/nosuch", headers=headers)).status_code == 404
        wanted = {"handles": [mismatch["handle"]]}
        answer = await api.http.post(REPLAY, headers=headers, json=wanted)
        assert (answer.status_code, answer.json()) == (200, {"replayed": 1})
        assert await noted(running, of="dead_letters.replay") == [("ops", "", wanted)]
        await eventually(three, what="it to be refused again")
        answer = await api.http.delete(LETTERS, headers=headers, params={"handle": [by_key["x"], "nosuch"]})
        assert answer.json() == {"purged": 1}
        answer = await api.http.delete(LETTERS, headers=headers, params={"reason": "key_mismatch"})
        assert answer.json() == {"purged": 1}
        answer = await api.http.delete(LETTERS, headers=headers, params={"all": "true"})
        assert answer.json() == {"purged": 1}
        assert (await listed())["items"] == []
        purges = [details for _, _, details in await noted(running, of="dead_letters.purge")]
        assert purges == [{"all": True}, {"reason": "key_mismatch"}, {"handles": [by_key["x"], "nosuch"]}]


@pytest.mark.deadline(120)
async def test_whichever_of_three_gateways_is_asked_tells_of_all_and_ends_a_connection_of_any(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, database_url: str
) -> None:
    """Streams, versions, figures, resets and limits of all; who holds most streams is added up over them. What happens
    is told within two seconds: by the first beat of each gateway after it, and by nothing that comes later.
    """
    options: dict[str, Any] = {"broker_url": broker_url, "amqp_prefix": amqp_prefix, "database_url": database_url}
    options["env"] = {"LIMIT_HISTORY_PER_RECIPIENT": "1/hour"}
    first, second, third = [await asyncio.to_thread(service, **options) for _ in range(3)]
    async with AsyncExitStack() as stack:
        asked, other, last = [await stack.enter_async_context(Api(one)) for one in (first, second, third)]
        begun = [("alice", other), ("alice", other), ("alice", last), ("bob", other), ("carol", asked)]
        streams = [await stack.enter_async_context(api.stream(name)) for name, api in begun]
        connection_id, *_ = [(await one.event("connected")).json()["connection_id"] for one in streams]
        reset = await stack.enter_async_context(last.stream("dave", last_event_id="foreign.7"))
        await reset.event("connected")
        assert (await reset.event("reset")).json()["reason"] == "unknown_epoch"
        assert [(await other.history("eve")).status_code for _ in range(2)] == [200, 429]
        await asked.publish("alice")
        for one in streams[:3]:
            await one.event("message")
        happened_at = in_vain_at = time.monotonic()
        headers = administrator(first)

        async def told() -> Any:
            nonlocal in_vain_at
            asked_at = time.monotonic()
            found = (await asked.http.get("/admin/overview", headers=headers)).json()
            gateways = found["gateways"]
            assert all(len(one["figures"]["delivered"]) == len(found["delivered_within_s"]) + 1 for one in gateways)
            stored, written = (sum(one["figures"][name] for one in gateways) for name in ("stored", "written"))
            holds = [(one["state"], one["streams"]) for one in gateways] == [("up", 3), ("up", 2), ("up", 1)]
            if holds and (stored, written) == (1, 3):
                return found
            in_vain_at = asked_at
            return None

        found = await eventually(told, what="three gateways, the busiest first")
        assert [one["version"] for one in found["gateways"]] == [__version__] * 3
        # By the last question that was too early, so that a slow machine may answer as slowly as it has to.
        assert in_vain_at - happened_at < TOLD_WITHIN_S
        figures = [one["figures"] for one in found["gateways"]]
        assert [one["stored"] for one in figures] == [0, 0, 1], "by the gateway that was asked to"
        assert [one["opened"] for one in figures] == [3, 2, 1]
        assert [one["limited"]["history_per_recipient"] for one in figures] == [1, 0, 0]
        assert [one["resets"]["unknown_epoch"] for one in figures] == [0, 1, 0]
        assert sum(sum(one["delivered"]) for one in figures) == 3
        [noted_reset] = found["resets"]
        assert noted_reset["gateway"] == found["gateways"][1]["gateway"]
        assert (noted_reset["recipient_id"], noted_reset["reason"]) == ("dave", "unknown_epoch")
        held = (await asked.http.get("/admin/streams", headers=headers)).json()
        assert (held["streams"], held["complete"], len(held["gateways"])) == (6, True, 3)
        assert held["items"][0] == {"recipient_id": "alice", "streams": 3}
        assert {one["recipient_id"]: one["streams"] for one in held["items"][1:]} == {"bob": 1, "carol": 1, "dave": 1}
        answer = await asked.http.delete(f"{CONNECTIONS}/{connection_id}", headers=headers)
        assert (answer.status_code, answer.json()["ended"]) == (202, "told")
        assert (await streams[0].event("closing")).json()["reason"] == "drain"
        await asyncio.to_thread(third.terminate, within_s=20)
        # It says so with its last beat, before it ends: there is nothing to wait for.
        found = (await asked.http.get("/admin/overview", headers=headers)).json()["gateways"]
        assert [one["state"] for one in found] == ["up", "up", "stopped"]


@pytest.mark.deadline(90)
async def test_the_overview_answers_whatever_is_away(
    postgres_server: PostgresServer, database_url: str, service: ServiceFactory
) -> None:
    """Within two seconds and a machine's slowness; what is not known is null. Nothing is noted that cannot be tried."""
    away = f"amqp://guest:guest@127.0.0.1:{free_port()}/"
    running = await asyncio.to_thread(service, broker_url=away, database_url=database_url)
    async with Api(running) as api:
        contract, headers = await Contract.of(api), administrator(running)
        told = contract.holds(await api.http.get("/admin/overview", headers=headers), status=200).json()
        assert (told["degraded"], told["queues"], told["ready"]) == (["broker"], None, True)
        for answer in (
            await api.http.get(LETTERS, headers=headers),
            await api.http.post(REPLAY, headers=headers, json={"all": True}),
            await api.http.delete(LETTERS, headers=headers, params={"all": "1"}),
        ):
            problem = contract.holds(answer, status=503).json()
            assert (problem["code"], answer.headers["Retry-After"]) == ("broker_unavailable", "1")
        assert await noted(running, of="dead_letters.replay") == await noted(running, of="dead_letters.purge") == []
        await asyncio.to_thread(postgres_server.freeze)
        began = time.monotonic()
        told = contract.holds(await api.http.get("/admin/overview", headers=headers), status=200).json()
        assert time.monotonic() - began < 5
        assert (told["gateways"], told["resets"], told["cursor"], told["queues"]) == (None, None, None, None)
        held = contract.holds(await api.http.get("/admin/streams", headers=headers), status=200).json()
        assert (held["complete"], held["gateways"]) == (False, [held["gateway"]])
        await asyncio.to_thread(postgres_server.thaw)


async def test_the_page_is_served_under_a_policy_that_runs_its_own_files_only(plain: Service) -> None:
    """Without a token, since it holds nothing; and nothing in it would need more than the policy allows."""
    async with Api(plain) as api:
        page = await api.http.get("/admin")
        assert page.headers["Content-Type"] == "text/html; charset=utf-8"
        assert "style=" not in page.text
        assert "<style" not in page.text
        assert page.text.count("<script") == page.text.count('<script type="module" src="admin/page.js"></script>') == 1
        for path, kind in (("", "html"), ("/page.js", "javascript"), ("/views.js", "javascript"), ("/page.css", "css")):
            answer = await api.http.get(f"/admin{path}")
            assert answer.status_code == 200
            assert answer.headers["Content-Type"].startswith(f"text/{kind}")
            _strict(answer)
        slash = await api.http.get("/admin/")
        assert (slash.status_code, slash.headers["Location"]) == (308, "../admin")
        assert (await api.http.get("/admin/page.py")).status_code == 404


def _strict(answer: httpx.Response) -> None:
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["form-action"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert (policy["require-trusted-types-for"], policy["trusted-types"]) == ("'script'", "'none'")
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"
