"""Revocation over HTTP: streams of all transports close, the token is refused, and what was issued later is good."""

import asyncio
import sys
import time
from typing import Any

import httpx
import pytest
from jose import jwt

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.service import Service, ServiceFactory, Stack
from tests.support.timing import quickest
from tests.support.tokens import SECRET
from tests.web.test_admin import administrator

REVOCATIONS = "/admin/revocations"


def token(subject: str, **claims: Any) -> str:
    now = time.time()
    made: str = jwt.encode({"sub": subject, "aud": "notify-sse", "exp": now + 300, "iat": now - 1} | claims, SECRET)
    return made


async def revoke(api: Api, service: Service, **wanted: Any) -> dict[str, Any]:
    answer = await api.http.post(REVOCATIONS, headers=administrator(service), json=wanted)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def refused(api: Api, given: str) -> bool:
    answer = await api.http.head(STREAM, headers=bearer(given))
    page = await api.http.get("/notifications/history", headers=bearer(given))
    assert answer.status_code == page.status_code
    if page.status_code == 401:
        assert page.json()["code"] == "token_revoked"
    return answer.status_code == 401


async def test_a_revoked_subject_is_out_and_a_later_token_is_in(shared: Service) -> None:
    """Others' streams go on; with neither `iat` it stays out."""
    alice, bob = fresh("alice"), fresh("bob")
    old, none = token(alice), shared.token(alice)
    async with Api(shared) as api, api.stream(alice, token=old) as hers, api.stream(bob, token=token(bob)) as his:
        await hers.event("connected")
        await his.event("connected")
        made = await revoke(api, shared, sub=alice, reason="lost phone")
        closing = await hers.event("closing")
        assert closing.json()["reason"] == "revoked"
        assert (made["sub"], made["reason"], made["who"]) == (alice, "lost phone", "ops")
        assert await refused(api, old)
        assert await refused(api, none)
        assert not await refused(api, token(alice, iat=time.time() + 1))
        assert not await refused(api, token(bob))
        published = await api.publish(bob)
        assert (await his.event("message")).id == published


async def test_a_revoked_subject_is_out_within_a_second(shared: Service) -> None:
    async def revoked_s() -> float:
        alice = fresh("alice")
        async with Api(shared) as api, api.stream(alice, token=token(alice)) as stream:
            await stream.event("connected")
            began = time.monotonic()
            await revoke(api, shared, sub=alice)
            await stream.event("closing")
            return time.monotonic() - began

    assert await quickest(revoked_s, enough_s=1) < 1


async def test_a_single_token_is_revoked_by_its_jti(shared: Service) -> None:
    alice, jti = fresh("alice"), fresh("jti")
    async with Api(shared) as api:
        await revoke(api, shared, jti=jti)
        assert await refused(api, token(alice, jti=jti))
        assert not await refused(api, token(alice, jti=fresh("jti")))
        assert not await refused(api, token(alice))


async def test_a_revoked_publisher_publishes_no_more(plain: Service) -> None:
    shop = fresh("shop")
    given = token(shop, scope="notifications:publish notifications:admin")
    async with Api(plain) as api:
        await revoke(api, plain, sub=shop)
        document = {"recipient_id": "alice", "notification_type": "x", "payload": {}}
        answer = await api.http.post("/notifications", headers=bearer(given), json=document)
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")
        assert (await api.http.get(REVOCATIONS, headers=bearer(given))).status_code == 401


async def test_what_is_undone_is_good_again_and_all_of_it_is_in_the_audit_log(plain: Service) -> None:
    alice = fresh("alice")
    given, headers = token(alice), administrator(plain)
    async with Api(plain) as api:
        made = await revoke(api, plain, sub=alice, reason="why")
        listed = (await api.http.get(REVOCATIONS, headers=headers)).json()
        assert made in listed["items"]
        path = f"{REVOCATIONS}/{made['id']}"
        assert (await api.http.delete(path, headers=headers)).status_code == 204
        again = await api.http.delete(path, headers=headers)
        assert (again.status_code, again.json()["code"]) == (404, "not_found")
        assert not await refused(api, given)
        assert made not in (await api.http.get(REVOCATIONS, headers=headers)).json()["items"]
        noted = (await api.http.get("/admin/audit", headers=headers)).json()["items"][:2]
    assert [(one["action"], one["target"]) for one in noted] == [
        ("revocation.undo", str(made["id"])),
        ("revocation.create", alice),
    ]
    assert noted[1]["details"] == {"kind": "sub", "reason": "why"}
    assert {one["who"] for one in noted} == {"ops"}
    assert {one["address"] for one in noted} == {"127.0.0.1"}


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b'{"sub":"a","jti":"b"}',
        b'{"sub":""}',
        b'{"sub":null}',
        b'{"jti":7}',
        b'{"sub":"a","until":3}',
        b'{"sub":"a","reason":"%s"}' % (b"x" * 501),
        b"[]",
        b"\xff",
    ],
)
async def test_exactly_one_of_sub_and_jti_is_taken(plain: Service, body: bytes) -> None:
    async with Api(plain) as api:
        answer = await api.http.post(REVOCATIONS, headers=administrator(plain), content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "bad_request")


async def test_only_an_administrator_revokes(plain: Service) -> None:
    async with Api(plain) as api:
        for scope in ("notifications:read", "notifications:publish"):
            headers = bearer(plain.token("x", scope=scope))
            assert (await api.http.post(REVOCATIONS, headers=headers, json={"sub": "a"})).status_code == 403
            assert (await api.http.delete(f"{REVOCATIONS}/1", headers=headers)).status_code == 403


async def test_the_end_of_a_session_revokes_its_token(shared: Service) -> None:
    """Whoever stole the token has nothing any more; the user's other token is another."""
    alice = fresh("alice")
    given, other = token(alice), token(alice, iat=time.time() - 5)
    async with Api(shared) as api, api.stream(alice, token=given) as stolen, api.stream(alice, token=other) as kept:
        await stolen.event("connected")
        await kept.event("connected")
        cookie = {"Cookie": f"notify_sse_session={given}"}
        assert (await api.http.delete("/notifications/session", headers=cookie)).status_code == 204
        assert (await stolen.event("closing")).json()["reason"] == "revoked"
        assert await refused(api, given)
        assert not await refused(api, other)
        assert (await kept.event("message" if await api.publish(alice) else "")).id


@pytest.mark.deadline(90)
async def test_it_holds_in_every_process_without_the_broker_and_after_a_restart(
    service: ServiceFactory, on_stack: Stack
) -> None:
    """The command writes it to the database; no process is told: each finds it, and one that starts knows it."""
    running = await asyncio.to_thread(service, **on_stack, workers=2 if on_stack else 1)
    alice, given = "", ""

    async def revoked_s() -> float:
        nonlocal alice, given
        alice = fresh("alice")
        given = token(alice)
        async with api.stream(alice, token=given) as stream:
            await stream.event("connected")
            await command(running, "--sub", alice, "--reason", "gone")
            began = time.monotonic()
            assert (await stream.event("closing")).json()["reason"] == "revoked"
            return time.monotonic() - began

    async with Api(running) as api:
        assert await quickest(revoked_s, enough_s=1.5) < 1.5
        await asyncio.sleep(0.6)  # the other worker's poll
        for _ in range(6):
            assert await refused(api, given)
    await asyncio.to_thread(running.restart)
    async with Api(running) as api:
        assert await refused(api, given)
        headers = administrator(running)
        [made] = (await api.http.get(REVOCATIONS, headers=headers)).json()["items"]
        [noted] = (await api.http.get("/admin/audit", headers=headers)).json()["items"]
        assert noted["who"].startswith("cli:")
        assert "gone" in await command(running, "--list")
        await command(running, "--undo", str(made["id"]))
        await asyncio.sleep(1.1)
        assert not await refused(api, given)
        metrics = (await api.http.get("/metrics")).text
        assert 'notify_sse_token_refused_total{reason="revoked"}' in metrics
        assert "notify_sse_revoked_total" in metrics


async def command(running: Service, *arguments: str) -> str:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "notify_sse", "revoke", *arguments, env=running.env, stdout=asyncio.subprocess.PIPE
    )
    stdout, _ = await process.communicate()
    assert process.returncode == 0
    return stdout.decode()


async def test_a_process_without_its_database_lets_nobody_in(service: ServiceFactory, free_port: int) -> None:
    """It does not know who is revoked: an administrator gets 503, and streams come back later."""
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port}/nothing"}
    running = await asyncio.to_thread(service, env=away, wait_ready=False)
    async with Api(running) as api:
        async with asyncio.timeout(20):
            while True:
                try:
                    answer = await api.http.get(REVOCATIONS, headers=administrator(running))
                    break
                except httpx.ConnectError:
                    await asyncio.sleep(0.05)
        assert (answer.status_code, answer.json()["code"]) == (503, "store_unavailable")
        assert (await api.http.get("/notifications/history", headers=bearer(token("a")))).status_code == 503
