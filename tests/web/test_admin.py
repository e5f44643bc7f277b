"""`/admin/…`: who may ask, in what way, and where it is served."""

import asyncio

import httpx
import pytest

from notify_sse.core.access import Change
from notify_sse.store import open_access_records
from tests.support.api import Api, bearer, fresh
from tests.support.polling import until
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.services import free_port

ADMIN = "notifications:admin"
AUDIT = "/admin/audit"


def administrator(service: Service, name: str = "ops") -> dict[str, str]:
    return bearer(service.token(name, scope=ADMIN))


async def noted(service: Service, *actions: str) -> None:
    """Write these into the audit log of `service`, behind its back."""
    records = open_access_records(service.env["NOTIFY_SSE_DATABASE_URL"])
    for action in actions:
        await records.note(Change(who="o\0ps", address="10.0.0.1", action=action, target="al ice", details={"n": 1}))
    await records.close()


async def test_the_admin_scope_is_required_and_comes_in_the_header(plain: Service) -> None:
    """Neither a cookie nor a URL makes an administrator: a browser would send them for another's page."""
    token = plain.token("ops", scope=ADMIN, ttl_s=60)
    async with Api(plain) as api:
        assert (await api.http.get(AUDIT, headers=bearer(token))).status_code == 200
        for scope in ("notifications:read", "notifications:publish", ""):
            refused = await api.http.get(AUDIT, headers=bearer(plain.token("ops", scope=scope)))
            assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
        cookie = {"Cookie": f"notify_sse_session={token}"}
        for params, headers in ({}, cookie), ({"access_token": token}, {}), ({}, bearer("x.y.z")), ({}, {}):
            refused = await api.http.get(AUDIT, params=params, headers=headers)
            assert (refused.status_code, refused.json()["code"]) == (401, "unauthorized")
            assert refused.headers["WWW-Authenticate"] == "Bearer"


async def test_the_audit_log_is_read_from_its_newest_end(plain: Service) -> None:
    actions = [fresh("act") for _ in range(5)]
    await noted(plain, *actions)
    async with Api(plain) as api:
        headers = administrator(plain)
        page = (await api.http.get(AUDIT, headers=headers, params={"limit": "2"})).json()
        assert [one["action"] for one in page["items"]] == [actions[4], actions[3]]
        assert page["more"]
        newest = page["items"][0]
        assert (newest["who"], newest["address"], newest["target"]) == ("o\0ps", "10.0.0.1", "al ice")
        assert newest["details"] == {"n": 1}
        assert newest["at"].endswith("Z")
        before = {"before": str(page["items"][-1]["id"])}
        page = (await api.http.get(AUDIT, headers=headers, params=before)).json()
        assert [one["action"] for one in page["items"]][:3] == [actions[2], actions[1], actions[0]]


@pytest.mark.parametrize("params", [{"limit": "0"}, {"limit": "501"}, {"before": "x"}, {"before": "-1"}])
async def test_a_wrong_parameter_is_named(plain: Service, params: dict[str, str]) -> None:
    async with Api(plain) as api:
        refused = await api.http.get(AUDIT, headers=administrator(plain), params=params)
    assert (refused.status_code, refused.json()["field"]) == (400, next(iter(params)))


async def test_what_is_not_there_is_a_problem(plain: Service) -> None:
    async with Api(plain) as api:
        assert (await api.http.get("/admin/nothing", headers=administrator(plain))).json()["code"] == "not_found"
        refused = await api.http.post(AUDIT, headers=administrator(plain))
        assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")


async def test_an_admin_port_has_admin_and_metrics_and_the_main_port_has_neither(
    service: ServiceFactory, on_stack: Stack
) -> None:
    """Whichever worker takes the connection (SQLite is for one); and the admin server serves no stream."""
    port = free_port()
    env, workers = {"ADMIN_PORT": str(port), "DRAIN_S": "1"}, 2 if on_stack else 1
    running = await asyncio.to_thread(service, **on_stack, workers=workers, env=env)
    headers = administrator(running)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as admin, Api(running) as api:
        for _ in range(4):
            assert (await admin.get(AUDIT, headers=headers | {"Connection": "close"})).status_code == 200
        assert "notify_sse_ready" in (await admin.get("/metrics")).text
        assert (await admin.get("/readyz")).status_code == 200
        assert AUDIT in (await admin.get("/openapi.json")).json()["paths"]
        assert (await admin.get("/notifications/stream", headers=headers)).status_code == 404
        assert (await admin.post("/notifications", headers=headers, json={})).status_code == 404
        for path in (AUDIT, "/metrics", "/admin"):
            assert (await api.http.get(path, headers=headers)).status_code == 404
    await asyncio.to_thread(running.terminate, within_s=30)
    assert "Traceback" not in running.logged()


async def test_an_admin_port_that_is_taken_stops_the_start(service: ServiceFactory, plain: Service) -> None:
    running = await asyncio.to_thread(service, env={"ADMIN_PORT": str(plain.port)}, wait_ready=False)
    await until(lambda: not running.running, what="the end of the service", within_s=15)
    assert "NOTIFY_SSE_ADMIN_HOST and NOTIFY_SSE_ADMIN_PORT: cannot listen on" in running.logged()
