"""What the service answers is what `/openapi.json` says: each answer is validated against its published schema."""

import asyncio
from typing import Any, Self

import httpx
from jsonschema import Draft202012Validator

from notify_sse.web.contract.openapi import openapi
from tests.support.api import Api, bearer, fresh, notification
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory


class Contract:
    """The OpenAPI document of a running service."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        schemas = document.get("components", {}).get("schemas", {})
        self._closed = {name: _closed(one) for name, one in schemas.items()}

    @classmethod
    async def of(cls, api: Api) -> Self:
        return cls((await api.http.get("/openapi.json")).json())

    def holds(self, answer: httpx.Response, *, status: int) -> httpx.Response:
        """Assert that `answer` is one that the contract names, with the fields that it names and no others."""
        assert answer.status_code == status, answer.text
        path = self.path_of(answer.request)
        operation = self.document["paths"][path][answer.request.method.lower()]
        described = operation["responses"][str(status)]
        if answer.content or "content" in described:
            media_type = answer.headers["Content-Type"].partition(";")[0]
            schema = described["content"][media_type]["schema"]
            if media_type in ("application/json", "application/problem+json"):
                self._validate(answer.json(), schema)
        return answer

    def path_of(self, request: httpx.Request) -> str:
        """As the contract has it, with names for what varies."""
        path = request.url.raw_path.decode().partition("?")[0]
        if path in self.document["paths"]:
            return path
        parts = path.split("/")
        found = [
            known
            for known in self.document["paths"]
            if len(known.split("/")) == len(parts)
            and all(one.startswith("{") or one == part for one, part in zip(known.split("/"), parts, strict=True))
        ]
        assert len(found) == 1, f"{path}: {found}"
        return str(found[0])

    def _validate(self, document: Any, schema: dict[str, Any]) -> None:
        Draft202012Validator({**schema, "components": {"schemas": self._closed}}).validate(document)


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """`schema` without room for further fields: one that is sent but not described is found."""
    Draft202012Validator.check_schema(schema)
    return {**schema, "additionalProperties": False}


async def test_publishing_answers_as_the_contract_says(plain: Service) -> None:
    """One, an array, a duplicate, a conflict among others, and each refusal."""
    async with Api(plain) as api:
        contract, alice = await Contract.of(api), fresh("alice")
        one = notification(alice, notification_id=fresh("id"))
        contract.holds(await api.post(one), status=201)
        contract.holds(await api.post(one), status=200)
        contract.holds(await api.post([notification(alice), one]), status=201)
        conflict = await api.post([one | {"payload": {}}, notification(alice)])
        problem = contract.holds(conflict, status=409).json()
        assert (problem["code"], problem["field"]) == ("conflict", "notification_id")
        assert [item["outcome"] for item in problem["items"]] == ["conflict", "new"]
        contract.holds(await api.post({"payload": 1}), status=400)
        contract.holds(await api.post(one, token="x.y.z"), status=401)
        contract.holds(await api.post(one, token=plain.token(alice)), status=403)
        contract.holds(await api.post(b"[" + b" " * 10_000_000), status=413)
        contract.holds(await api.post(b"<a/>", headers={"Content-Type": "text/xml"}), status=415)


async def test_the_history_answers_as_the_contract_says(plain: Service) -> None:
    """A page with every kind of item, a reset, a long poll, and each refusal."""
    async with Api(plain) as api:
        contract, alice, topic = await Contract.of(api), fresh("alice"), fresh("topic")
        cursor = await api.publish(alice, notification_id=fresh("id"), timestamp="2026-11-22T10:00:00Z")
        await api.publish(alice, expires_at="2126-11-22T10:00:00Z")
        await api.publish(topic=topic)
        token = plain.token(alice, topics=[topic])
        page = contract.holds(await api.history(alice, topics=topic, token=token), status=200).json()
        own = [item for item in page["items"] if item.get("topic") != "all"]  # others publish to everyone
        assert len(own) == 3
        assert page["reset"] is None
        for unknown in ("nowhere.1", "no cursor"):
            page = contract.holds(await api.history(alice, after=unknown), status=200).json()
            assert page["reset"]["reason"] == "unknown_epoch"
        contract.holds(await api.history(alice, after=cursor, order="desc"), status=200)
        contract.holds(await api.history(alice, after=cursor, wait=1), status=200)
        contract.holds(await api.history(alice, after=await api.head(), wait=0.05), status=200)
        contract.holds(await api.history(alice, limit=0), status=400)
        contract.holds(await api.history(alice, token="x.y.z"), status=401)
        contract.holds(await api.history(alice, topics=topic), status=403)


async def test_everything_else_answers_as_the_contract_says(plain: Service) -> None:
    """The session, the probes, and the refusals of streams."""
    async with Api(plain) as api:
        contract, alice = await Contract.of(api), fresh("alice")
        headers = bearer(plain.token(alice))
        contract.holds(await api.http.post("/notifications/session", headers=headers), status=200)
        contract.holds(await api.http.post("/notifications/session"), status=401)
        contract.holds(await api.http.delete("/notifications/session"), status=204)
        contract.holds(await api.http.get("/healthz"), status=200)
        contract.holds(await api.http.get("/readyz"), status=200)
        contract.holds(await api.http.get("/notifications/stream"), status=401)
        wrong = {"event_names": "x"}
        contract.holds(await api.http.get("/notifications/stream", headers=headers, params=wrong), status=400)
        contract.holds(await api.http.get("/notifications/ws", headers=headers), status=426)


async def test_a_process_without_its_database_answers_as_the_contract_says(
    service: ServiceFactory, free_port: int
) -> None:
    """Not ready, with the reason; a publish whose outcome is unknown, with the ids to publish again."""
    away = {"DATABASE_URL": f"postgresql://nobody@127.0.0.1:{free_port}/nothing", "PUBLISH_TIMEOUT_S": "0.2"}
    running = await asyncio.to_thread(service, env=away, wait_ready=False)
    async with Api(running) as api:

        async def listens() -> bool:
            try:
                return (await api.http.get("/healthz")).status_code == 200
            except httpx.ConnectError:
                return False

        await eventually(listens, what="the service to listen")
        contract = await Contract.of(api)
        assert contract.holds(await api.http.get("/readyz"), status=503).json()["reason"] == "starting"
        problem = contract.holds(await api.post(notification("alice", notification_id="mine")), status=503).json()
        assert (problem["code"], problem["notification_ids"]) == ("store_unavailable", ["mine"])
        assert contract.holds(await api.history("alice"), status=503).json()["code"] == "overloaded"


def test_the_document_is_made_once_for_all_who_ask() -> None:
    """It takes milliseconds, and needs no token. Only where it is seen differs."""
    here, there = (openapi(max_bytes=16_384, session_cookie="session", root=root) for root in ("", "/push"))
    assert here["paths"] is there["paths"]
    assert [one["servers"] for one in (here, there)] == [[{"url": "/"}], [{"url": "/push"}]]
