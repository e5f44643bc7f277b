"""Tickets: in place of a token in a URL; good once, in every process, for what the token grants."""

import asyncio
import json
import time

import pytest
from websockets.asyncio.client import connect

from tests.support.api import STREAM, Api, bearer, fresh
from tests.support.service import Service
from tests.support.streams import Listening
from tests.web.test_revocation import revoke, token

TICKET = "/notifications/ticket"
HISTORY = "/notifications/history"


async def issued(api: Api, given: str) -> str:
    answer = await api.http.post(TICKET, headers=bearer(given))
    assert answer.status_code == 201
    assert answer.headers["Cache-Control"] == "no-store"
    document = answer.json()
    assert document["expires_in_s"] == 30
    ticket = document["ticket"]
    assert isinstance(ticket, str)
    return ticket


async def test_a_ticket_opens_one_stream_and_no_second(shared: Service) -> None:
    alice = fresh("alice")
    async with Api(shared) as api:
        ticket = await issued(api, token(alice))
        async with await Listening.open(shared.url + STREAM, params={"ticket": ticket}) as stream:
            assert (await stream.event("connected")).json()["recipient_id"] == alice
            published = await api.publish(alice)
            assert (await stream.event("message")).id == published
            again = await api.http.get(STREAM, params={"ticket": ticket})
            assert (again.status_code, again.json()["code"]) == (401, "unauthorized")
    assert ticket not in shared.logged()


async def test_of_many_that_bring_it_one_gets_in(shared: Service) -> None:
    async with Api(shared) as api:
        ticket = await issued(api, token(fresh("alice")))
        answers = await asyncio.gather(*(api.http.get(HISTORY, params={"ticket": ticket}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 7


async def test_a_ticket_reads_over_every_transport_and_changes_nothing(plain: Service) -> None:
    alice = fresh("alice")
    given = token(alice, scope="notifications:read notifications:publish notifications:admin")
    async with Api(plain) as api:
        published = await api.publish(alice)
        page = await api.http.get(HISTORY, params={"ticket": await issued(api, given), "limit": "500"})
        assert published in [item["cursor"] for item in page.json()["items"]]
        poll = await api.http.get(HISTORY, params={"ticket": await issued(api, given), "wait": "0.05"})
        assert poll.status_code == 200
        url = f"ws://127.0.0.1:{plain.port}/notifications/ws?ticket={await issued(api, given)}"
        async with connect(url, close_timeout=1) as websocket:
            assert json.loads(await websocket.recv())["data"]["recipient_id"] == alice
        ticket = {"ticket": await issued(api, given)}
        document = {"recipient_id": alice, "notification_type": "x", "payload": {}}
        assert (await api.http.post("/notifications", params=ticket, json=document)).status_code == 401
        assert (await api.http.post(TICKET, params=ticket)).status_code == 401
        assert (await api.http.get("/admin/audit", params=ticket)).status_code == 401
        assert (await api.http.get(HISTORY, params=ticket)).status_code == 200, "none of them used it up"


async def test_the_stream_ends_with_the_token_that_the_ticket_is_of(plain: Service) -> None:
    """By its end, and by its revocation: of the subject and of its `jti`."""
    alice, jti = fresh("alice"), fresh("jti")
    async with Api(plain) as api:
        short = await issued(api, token(alice, exp=time.time() + 31.5, jti=jti))
        unused = await issued(api, token(alice, jti=jti))
        async with await Listening.open(plain.url + STREAM, params={"ticket": short}) as stream:
            await stream.event("connected")
            await revoke(api, plain, jti=jti)
            assert (await stream.event("closing")).json()["reason"] == "revoked"
        answer = await api.http.get(HISTORY, params={"ticket": unused})
        assert (answer.status_code, answer.json()["code"]) == (401, "token_revoked")


async def test_who_gets_a_ticket(plain: Service) -> None:
    """The header or the cookie, as for whatever changes something; and a scope to read with."""
    given = token(fresh("alice"))
    cookie = {"Cookie": f"notify_sse_session={given}"}
    async with Api(plain) as api:
        assert (await api.http.post(TICKET, headers=cookie)).status_code == 201
        foreign = cookie | {"Origin": "https://sibling.example.org"}
        assert (await api.http.post(TICKET, headers=foreign)).status_code == 401
        assert (await api.http.post(TICKET, params={"access_token": given})).status_code == 401
        publisher = bearer(token("shop", scope="notifications:publish"))
        assert (await api.http.post(TICKET, headers=publisher)).status_code == 403
        assert (await api.http.get(TICKET, headers=bearer(given))).status_code == 405


@pytest.mark.parametrize("ticket", ["", "x", "x" * 43, "é" * 43, "x" * 5000, "' OR 1=1 --"])
async def test_what_is_no_ticket_is_refused(plain: Service, ticket: str) -> None:
    async with Api(plain) as api:
        assert (await api.http.get(HISTORY, params={"ticket": ticket})).status_code == 401


async def test_a_ticket_beside_a_token_is_ambiguous_and_two_are_too(plain: Service) -> None:
    async with Api(plain) as api:
        given = token(fresh("alice"))
        one, two = await issued(api, given), await issued(api, given)
        both = {"ticket": one, "access_token": given}
        assert (await api.http.get(HISTORY, params=both)).status_code == 401
        assert (await api.http.get(f"{HISTORY}?ticket={one}&ticket={two}")).status_code == 401
