"""One running service spoken to as its users do: publish, history, streams, with a token for whoever is named."""

import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx

from tests.support.service import Service
from tests.support.streams import Listening

PUBLISH = "notifications:publish"
STREAM = "/notifications/stream"


def fresh(name: str) -> str:
    """A recipient (or topic, or id) that nobody else uses."""
    return f"{name}-{uuid.uuid4().hex[:12]}"


def notification(recipient_id: str | None = None, **fields: Any) -> dict[str, Any]:
    """A notification as it is published; `fields` win."""
    address = {} if recipient_id is None else {"recipient_id": recipient_id}
    return {"notification_type": "new_message", "payload": {"text": "hi"}, **address, **fields}


class Api:
    """Use as an async context manager. `http` is plain httpx for everything that is not covered here."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.http = httpx.AsyncClient(
            base_url=service.url, timeout=40, verify=False
        )  # no TLS here: loading the CAs takes long
        self.publisher = service.token("a-publisher", scope=PUBLISH)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.http.aclose()

    async def post(self, document: Any, *, token: str | None = None, **options: Any) -> httpx.Response:
        """POST /notifications, with a publisher's token unless another is given."""
        headers = bearer(token or self.publisher) | options.pop("headers", {})
        if isinstance(document, bytes):
            return await self.http.post("/notifications", content=document, headers=headers, **options)
        return await self.http.post("/notifications", json=document, headers=headers, **options)

    async def publish(self, recipient_id: str | None = None, **fields: Any) -> str:
        """Publish one; returns its cursor."""
        answer = await self.post(notification(recipient_id, **fields))
        assert answer.status_code == 201, answer.text
        cursor: str = answer.json()["cursor"]
        return cursor

    async def publish_many(self, documents: Sequence[dict[str, Any]]) -> list[str]:
        """Publish an array; returns the cursors."""
        answer = await self.post(list(documents))
        assert answer.status_code == 201, answer.text
        return [one["cursor"] for one in answer.json()]

    async def history(self, recipient_id: str, *, token: str | None = None, **params: Any) -> httpx.Response:
        """GET /notifications/history."""
        token = token or self.service.token(recipient_id)
        return await self.http.get("/notifications/history", params=params, headers=bearer(token))

    async def metric(self, name: str) -> float:
        """The value of a metric, given with its labels as it is exposed; 0 when it is not there."""
        for line in (await self.http.get("/metrics")).text.splitlines():
            if line.startswith(f"{name} "):
                return float(line.rpartition(" ")[2])
        return 0.0

    async def head(self) -> str:
        """The cursor at which the log stands now."""
        cursor: str = (await self.http.get("/readyz")).json()["cursor"]
        return cursor

    @asynccontextmanager
    async def stream(
        self,
        recipient_id: str,
        *,
        last_event_id: str = "",
        topics: Sequence[str] = (),
        token: str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> AsyncIterator[Listening]:
        """An open stream, dropped at the end. `topics` are granted by the token and named in the request."""
        token = token or self.service.token(recipient_id, topics=topics)
        query = dict(params or {}) | ({"topics": ",".join(topics)} if topics else {})
        opened = await Listening.open(
            self.service.url + STREAM,
            params=query,
            headers=bearer(token) | dict(headers or {}),
            last_event_id=last_event_id,
        )
        async with opened:
            yield opened


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}
