"""What operators and their tools ask: liveness, readiness, metrics; and what a wrong address answers."""

import asyncio
import re
import signal
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import pytest
from prometheus_client.openmetrics import parser as openmetrics
from prometheus_client.parser import text_string_to_metric_families
from starlette.applications import Starlette

import notify_sse
from notify_sse.log import pace
from notify_sse.telemetry.metrics import Metrics
from notify_sse.web import pages
from notify_sse.web.api.operations import metrics
from tests.support.api import Api, fresh
from tests.support.polling import until
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.services.processes import Process


async def test_healthz_answers_without_a_token(plain: Service) -> None:
    async with Api(plain) as api:
        answer = await api.http.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})
    assert answer.headers["Cache-Control"] == "no-store"


async def test_readyz_says_where_the_tail_stands(plain: Service) -> None:
    """200 with the cursor; it moves with each publish."""
    async with Api(plain) as api:
        published = await api.publish(fresh("alice"))
        answer = await api.http.get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {"status": "ready", "cursor": published, "degraded": []}


async def test_metrics_are_prometheus_text(plain: Service) -> None:
    """Parsed by Prometheus' own parser; they count what happens."""
    async with Api(plain) as api:
        alice = fresh("alice")
        before = await _families(api)
        async with api.stream(alice) as stream:
            await stream.event("connected")
            await api.publish(alice)
            await stream.event("message")
            after = await _families(api)
    assert after["notify_sse_streams"] == before["notify_sse_streams"] + 1
    assert after["notify_sse_tail_position"] == before["notify_sse_tail_position"] + 1
    assert after["notify_sse_ready"] == 1


async def _families(api: Api) -> dict[str, float]:
    answer = await api.http.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    return {
        sample.name: sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
        if not sample.labels
    }


async def test_metrics_are_openmetrics_when_asked_for(plain: Service) -> None:
    async with Api(plain) as api:
        headers = {"Accept": "application/openmetrics-text; version=1.0.0"}
        answer = await api.http.get("/metrics", headers=headers)
    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    families = openmetrics.text_string_to_metric_families(answer.text)  # type: ignore[no-untyped-call]  # it has no types
    names = {family.name for family in families}
    assert {"notify_sse_streams", "notify_sse_appended", "notify_sse_append_seconds"} <= names


async def test_the_exposition_is_written_a_metric_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """And everybody else has a turn in between: all together are ten milliseconds."""
    monkeypatch.setattr(pace, "MAX_STRETCH_S", -1.0)
    measured, turns = Metrics(), 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    app = SimpleNamespace(state=SimpleNamespace(service=SimpleNamespace(metrics=measured)))
    background = asyncio.create_task(others())
    answer = await metrics(cast(Any, SimpleNamespace(app=app, headers={})))
    background.cancel()
    await asyncio.gather(background, return_exceptions=True)
    assert turns > bytes(answer.body).count(b"# HELP notify_sse_") / 2 > 20


def _ended(workers: Sequence[Process]) -> bool:
    return not any(worker.alive for worker in workers)


async def test_what_a_worker_counted_is_told_after_its_end(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """Also in its last second: what is counted often is gathered, and given to Prometheus once a second."""
    stack: Stack = {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}
    running = await asyncio.to_thread(service, workers=2, **stack)
    assert running.process is not None
    for count in range(1, 4):
        async with Api(running) as api:
            await api.publish(fresh("alice"))
        workers = running.process.descendants()
        for worker in workers:
            worker.send(signal.SIGTERM)
        await until(partial(_ended, workers), what="their end", within_s=30)
        await asyncio.to_thread(running.wait_ready)
        async with Api(running) as api:
            assert await api.metric('notify_sse_appended_total{outcome="new"}') == count


@pytest.mark.parametrize("path", ["/nope", "/notifications/nope", "/notifications/stream/", "/notifications/stream/x"])
async def test_a_wrong_path_is_404(plain: Service, path: str) -> None:
    async with Api(plain) as api:
        answer = await api.http.get(path)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (404, "not_found", 404)


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/notifications", {"POST"}),
        ("GET", "/notifications", {"POST"}),
        ("POST", "/notifications/history", {"GET", "HEAD"}),
        ("PATCH", "/notifications/session", {"POST", "DELETE"}),
        ("DELETE", "/healthz", {"GET", "HEAD"}),
    ],
)
async def test_a_wrong_method_is_405(plain: Service, method: str, path: str, allowed: set[str]) -> None:
    """With every method that the path takes in `Allow`."""
    async with Api(plain) as api:
        answer = await api.http.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["code"] == "method_not_allowed"
    assert {one.strip() for one in answer.headers["Allow"].split(",")} == allowed


async def test_every_problem_has_the_members_of_its_kind(plain: Service) -> None:
    """RFC 9457: type, title, status, detail; and our stable `code`."""
    async with Api(plain) as api:
        answers = [
            await api.http.get("/nope"),
            await api.http.put("/notifications"),
            await api.http.get("/notifications/history"),
            await api.post({"payload": 1}),
            await api.post({}, token=plain.token("alice")),
            await api.history(fresh("alice"), limit=0),
        ]
    for answer in answers:
        problem = answer.json()
        assert {"type", "title", "status", "detail", "code"} <= problem.keys()
        assert problem["status"] == answer.status_code
        assert answer.headers["Cache-Control"] == "no-store"
    codes = [answer.json()["code"] for answer in answers]
    assert codes == ["not_found", "method_not_allowed", "unauthorized", "bad_notification", "forbidden", "bad_request"]


async def test_the_demo_makes_tokens_for_its_own_page_only(service: ServiceFactory) -> None:
    """A page elsewhere whose name leads here (DNS rebinding) gets none; a wrong request is told what is wrong."""
    async with Api(await asyncio.to_thread(service, env={"JWT_SECRET": ""})) as api:
        made = await api.http.post("/demo/token", json={"recipient_id": "alice"})
        assert made.json()["expires_in_s"] == 300
        rebound = await api.http.post("/demo/token", json={"recipient_id": "a"}, headers={"Host": "evil.example"})
        assert (rebound.status_code, rebound.json()["code"]) == (403, "forbidden")
        too_long = f'{{"recipient_id": "{"é" * 101}"}}'.encode()
        longer = f'{{"recipient_id": "{"é" * 150}"}}'.encode()
        bad_fields = (b'{"recipient_id": 7}', b'{"recipient_id": "a", "ttl_s": 301}', too_long, longer)
        not_text = (b'{"recipient_id": "\xff"}', b'{"recipient_id": "\\ud800"}', b"\xff")
        for wrong in (b"junk", b"{}", *bad_fields, *not_text):
            refused = await api.http.post("/demo/token", content=wrong)
            assert (refused.status_code, refused.json()["code"]) == (400, "bad_request")


@pytest.mark.parametrize(
    "header", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP", "Via"]
)
async def test_the_demo_makes_no_token_through_a_proxy(service: ServiceFactory, header: str) -> None:
    """Behind one, the whole internet comes from this machine."""
    async with Api(await asyncio.to_thread(service, env={"JWT_SECRET": ""})) as api:
        refused = await api.http.post("/demo/token", json={"recipient_id": "alice"}, headers={header: "192.0.2.1"})
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_pages_cannot_be_framed_and_files_are_what_they_say(service: ServiceFactory) -> None:
    """And the demo loads nothing from elsewhere."""
    async with Api(await asyncio.to_thread(service, env={"JWT_SECRET": ""})) as api:
        page = await api.http.get("/")
        policy = page.headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        script = policy.partition("script-src ")[2].partition(";")[0]
        assert script == "'self' 'unsafe-eval'", "no inline script, and none from elsewhere"
        assert page.headers["X-Frame-Options"] == "DENY"
        for path in ("/", "/demo/demo.js", "/client/notify-sse.js", "/client/store.js"):
            assert (await api.http.get(path)).headers["X-Content-Type-Options"] == "nosniff", path


@pytest.mark.parametrize("checkout", [pages.CHECKOUT, None], ids=["in a checkout", "installed"])
async def test_the_documentation_is_where_the_demo_runs(monkeypatch: pytest.MonkeyPatch, checkout: Path | None) -> None:
    """All of it in a checkout. An installed package has its README, as package managers show it."""
    monkeypatch.setattr(pages, "CHECKOUT", checkout)
    app = httpx.ASGITransport(Starlette(routes=pages.routes(development=True)))
    async with httpx.AsyncClient(transport=app, base_url="http://localhost") as http:
        begins = await http.get("/demo/README.md")
        assert begins.text.startswith("# notify-sse")
        links = re.findall(r"\]\((docs/[^)#]+)", begins.text)
        assert len(links) > 30
        answers = [await http.get(f"/demo/{link}") for link in links]
    assert {answer.status_code for answer in answers} == {200 if checkout else 404}


async def test_the_demo_page_and_its_tokens_are_for_development_only(plain: Service) -> None:
    """With a key configured, nobody gets a token for the asking, and no file of the demo is served anywhere."""
    demo = Path(notify_sse.__file__).parent / "demo"
    names = [path.name for path in demo.iterdir()]
    assert {"demo.html", "demo.js", "demo.css"} <= set(names)
    async with Api(plain) as api:
        assert (await api.http.get("/")).status_code == 404
        for name in names:
            for path in (f"/demo/{name}", f"/client/demo/{name}", f"/client/../demo/{name}", f"/client/{name}"):
                assert (await api.http.get(path)).status_code == 404, path
        assert (await api.http.post("/demo/token", json={"recipient_id": "alice"})).status_code == 404
