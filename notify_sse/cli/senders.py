"""What `notify-sse publish` sends with: to RabbitMQ with confirms, or to the service over HTTP.

Both send a batch in order, and send it again while the other side is away. Every notification has a notification_id by
then, so sending it again repeats nothing.
"""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Any, Final, Protocol, Self

import click
import httpx
import msgspec

from notify_sse.cli.lines import Line
from notify_sse.cli.remote import TIMEOUT_S, bearer, refused, unreachable
from notify_sse.config import Settings, is_local_url
from notify_sse.core.backoff import Backoff
from notify_sse.errors import BadNotification, Conflict, ServiceRefused, ServiceUnreachable
from notify_sse.publisher import Publisher

RETRY_FOR_S: Final = 15.0
FIRST_RETRY_S: Final = 0.2
LAST_RETRY_S: Final = 2.0


class Accepted(msgspec.Struct, frozen=True, omit_defaults=True):
    """A notification that is safe now. Only the log knows its cursor, so through RabbitMQ there is none."""

    notification_id: str
    cursor: str = ""
    outcome: str = ""


class Sender(Protocol):
    """Publishes lines, by one of the two ways."""

    async def send(self, lines: Sequence[Line]) -> list[Accepted]:
        """Publish `lines` (at most 500) in order; returns when all are safe.

        Raises `BadNotification` or `Conflict`, which name the line, and `BrokerUnavailable` or `ServiceUnreachable`.
        Some may have been published then.
        """


@asynccontextmanager
async def amqp_sender(settings: Settings) -> AsyncIterator[Sender]:
    """Through the RabbitMQ of `settings`."""
    async with Publisher(
        settings.broker_url,
        amqp_prefix=settings.amqp_prefix,
        timeout_s=RETRY_FOR_S,
        max_bytes=settings.max_notification_bytes,
    ) as publisher:
        yield _AmqpSender(publisher)


class _AmqpSender:
    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    async def send(self, lines: Sequence[Line]) -> list[Accepted]:
        try:
            ids = await self._publisher.publish_many(line.document for line in lines)
        except BadNotification as exc:
            raise _located(lines, exc.field, exc.detail) from exc
        return [Accepted(notification_id) for notification_id in ids]


class HttpSender:
    """To the service at `url`. An async context manager."""

    def __init__(self, url: str, *, token_for: Callable[[], str]) -> None:
        self._client = httpx.AsyncClient(base_url=url, timeout=TIMEOUT_S, trust_env=not is_local_url(url))
        self._token_for = token_for

    async def __aenter__(self) -> Self:
        await self._client.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.__aexit__(kind, exc, trace)

    async def send(self, lines: Sequence[Line]) -> list[Accepted]:
        """See `Sender.send`."""
        body = msgspec.json.encode([line.document for line in lines])
        try:
            return msgspec.convert(await self._post_until_answered(body), list[Accepted])
        except ServiceRefused as exc:
            raise _explained(lines, exc) from exc

    async def _post_until_answered(self, body: bytes) -> Any:
        """Post again for as long as that may help, but no longer than RETRY_FOR_S; the first failure is told."""
        backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        give_up_at = time.monotonic() + RETRY_FOR_S
        told = False
        while True:
            try:
                return await self._post(body)
            except (ServiceUnreachable, ServiceRefused) as exc:
                if not _passing(exc) or time.monotonic() >= give_up_at:
                    raise
                if not told:
                    told = True
                    click.echo(f"notify-sse: {exc}; trying for {RETRY_FOR_S:g} s", err=True)
            await asyncio.sleep(backoff.next_s())

    async def _post(self, body: bytes) -> Any:
        headers = {"Content-Type": "application/json", **bearer(self._token_for())}
        try:
            response = await self._client.post("/notifications", content=body, headers=headers)
        except httpx.HTTPError as exc:
            raise unreachable(str(self._client.base_url), exc) from exc
        if not response.is_success:
            raise refused(response)
        return response.json()


def _passing(exc: ServiceUnreachable | ServiceRefused) -> bool:
    return isinstance(exc, ServiceUnreachable) or exc.passing


def _explained(lines: Sequence[Line], refusal: ServiceRefused) -> Exception:
    """What the service refused, in terms of the lines."""
    problem = refusal.problem
    if problem.get("code") == "bad_notification":
        field = str(problem.get("field", ""))
        return _located(lines, field, str(problem.get("detail", "")).removeprefix(f"{field}: "))
    if problem.get("code") == "conflict":
        for line, item in zip(lines, problem.get("items", ()), strict=False):
            if item["outcome"] == "conflict":
                used = f"the notification_id {item['notification_id']} was used before with other content"
                return Conflict(f"{line.place}{used}")
    return refusal


def _located(lines: Sequence[Line], field: str, detail: str) -> BadNotification:
    """The error with the line in place of the batch's `[3]`."""
    index, closed, rest = field.removeprefix("[").partition("]")
    if not (closed and index.isdigit() and int(index) < len(lines)):
        return BadNotification(field=field, reason="invalid_field", detail=detail)
    place = f"{lines[int(index)].place}{rest.removeprefix('.')}"
    return BadNotification(field=place, reason="invalid_field", detail=detail)
