"""Publishing from a Python service, through RabbitMQ: `from notify_sse import Publisher`.

It is thin: any AMQP library can do what it does (docs/reference/amqp.md). It checks a notification before it sends it,
and waits for the broker's confirm. While the broker is away it tries again with the same notification_id. That repeats
nothing: the log knows the id.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from notify_sse.broker import DEFAULT_PREFIX, open_broker
from notify_sse.core.backoff import Backoff
from notify_sse.core.channels import routing_key
from notify_sse.core.media import MSGPACK
from notify_sse.core.model import TraceContext
from notify_sse.core.parse import parse, rfc3339
from notify_sse.core.ports import Listener, Message
from notify_sse.errors import BadConfiguration, BadNotification, BrokerUnavailable, NotAllPublished
from notify_sse.log.new_id import new_id
from notify_sse.telemetry.tracing import open_publish_spans

DEFAULT_MAX_BYTES: Final = 16_384
DEFAULT_TIMEOUT_S: Final = 30.0
ATTEMPT_TIMEOUT_S: Final = 5.0
MAX_IN_FLIGHT: Final = 500
FIRST_RETRY_S: Final = 0.2
LAST_RETRY_S: Final = 2.0


class Publisher:
    """Publishes notifications with confirms. An async context manager:

        async with Publisher("amqp://guest:guest@localhost") as publisher:
            await publisher.publish(recipient_id="alice", notification_type="new_message", payload={"text": "hi"})

    One is enough for a process; many tasks may use it at once. `timeout_s` bounds each call, with all its attempts and
    reconnects. `max_bytes` is the service's NOTIFY_SSE_MAX_NOTIFICATION_BYTES, and `amqp_prefix` is its
    NOTIFY_SSE_AMQP_PREFIX. Entering the context does not wait for the broker; the first publish does.
    """

    def __init__(
        self,
        broker_url: str,
        *,
        amqp_prefix: str = DEFAULT_PREFIX,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        max_bytes: int = DEFAULT_MAX_BYTES,
    ) -> None:
        if urlsplit(broker_url).scheme not in {"amqp", "amqps"}:
            raise BadConfiguration("broker_url: must begin with amqp:// or amqps://")
        self._broker_url = broker_url
        self._amqp_prefix = amqp_prefix
        self._timeout_s = timeout_s
        self._max_bytes = max_bytes

    async def __aenter__(self) -> Self:
        self._broker = open_broker(
            self._broker_url,
            prefix=self._amqp_prefix,
            publish_timeout_s=min(ATTEMPT_TIMEOUT_S, self._timeout_s / 2),
        )
        await self._broker.start(Listener(on_connected=lambda: None))
        self._spans = open_publish_spans(exchange=self._amqp_prefix)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._broker.close()

    async def publish(
        self,
        *,
        notification_type: str,
        payload: Mapping[str, Any],
        recipient_id: str | None = None,
        topic: str | None = None,
        notification_id: str | None = None,
        timestamp: datetime | str | None = None,
        expires_at: datetime | str | None = None,
    ) -> str:
        """Publish one notification to a recipient or to a topic. Returns its notification_id once it is confirmed.

        Give a `notification_id` of your own when you may publish the same again, for example the id of the database
        row that the notification is about. Without one, an id is made. Times are aware datetimes or RFC 3339 strings;
        the service fills in a missing `timestamp`.

        Raises `BadNotification` before anything is sent. Raises `BrokerUnavailable` when there was no confirm within
        the timeout. The outcome is then unknown, as it is after a cancellation; publishing again with the same
        notification_id is safe.
        """
        fields = {
            "notification_id": notification_id,
            "notification_type": notification_type,
            "recipient_id": recipient_id,
            "topic": topic,
            "timestamp": timestamp,
            "payload": payload,
            "expires_at": expires_at,
        }
        message = self._message(fields)
        with self._publishing(1) as trace:
            await self._until_confirmed(partial(self._broker.publish, _under(trace, message)))
        return message.message_id

    async def publish_many(self, notifications: Iterable[Mapping[str, Any]]) -> list[str]:
        """Publish many, each a mapping with the arguments of `publish`. Returns their ids, in order.

        All are checked before any is sent: `BadNotification` names the item, such as `[3].payload`. Notifications of
        one recipient stay in order. `timeout_s` bounds each 500 of them. Raises `NotAllPublished`, which names those
        without a confirm; the outcome of each of these is unknown.
        """
        messages = [self._checked(index, fields) for index, fields in enumerate(notifications)]
        with self._publishing(len(messages)) as trace:
            await self._publish_all([_under(trace, message) for message in messages])
        return [message.message_id for message in messages]

    def _publishing(self, count: int) -> AbstractContextManager[TraceContext | None]:
        """A span for the time of a call, where the application has OpenTelemetry; and what to send of it."""
        return self._spans.publishing(count) if self._spans else nullcontext()

    async def _publish_all(self, messages: list[Message]) -> None:
        for start in range(0, len(messages), MAX_IN_FLIGHT):
            after = start + MAX_IN_FLIGHT
            window = dict(enumerate(messages[start:after], start))
            try:
                await self._until_confirmed(partial(self._publish_window, window))
            except BrokerUnavailable as exc:
                rest = [*window, *range(after, len(messages))]
                ids = [messages[index].message_id for index in rest]
                raise NotAllPublished(str(exc), unconfirmed=dict(zip(rest, ids, strict=True))) from exc

    async def _publish_window(self, window: dict[int, Message]) -> None:
        """Publish all of `window` at once, in order; remove from it what is confirmed."""
        outcomes = await self._broker.publish_many(tuple(window.values()))
        failures = []
        for index, outcome in zip(tuple(window), outcomes, strict=True):
            if outcome is None:
                del window[index]
            else:
                failures.append(outcome)
        if failures:
            raise failures[0]

    async def _until_confirmed(self, attempt: Callable[[], Awaitable[None]]) -> None:
        backoff = Backoff(first_s=FIRST_RETRY_S, last_s=LAST_RETRY_S, draw=random.random)
        last: BrokerUnavailable | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                while True:
                    try:
                        return await attempt()
                    except BrokerUnavailable as exc:
                        last = exc
                    await asyncio.sleep(backoff.next_s())
        except TimeoutError as exc:
            reason = f": {last}" if last else ""
            raise BrokerUnavailable(f"not confirmed within {self._timeout_s:g} s{reason}") from (last or exc)

    def _checked(self, index: int, fields: Mapping[str, Any]) -> Message:
        try:
            return self._message(fields)
        except BadNotification as exc:
            raise exc.within(f"[{index}]") from exc

    def _message(self, fields: Mapping[str, Any]) -> Message:
        given = {name: _json_value(value) for name, value in fields.items() if value is not None}
        if "notification_id" not in given:
            given["notification_id"] = new_id()
        try:
            body = msgspec.json.encode(given)
            exact = msgspec.msgpack.encode(given)  # for the check: JSON would turn a NaN into null
        except (TypeError, ValueError, OverflowError, RecursionError) as exc:
            raise BadNotification(field="payload", reason="invalid_field", detail=f"is not JSON: {exc}") from exc
        if len(body) > self._max_bytes:
            detail = f"is {len(body)} bytes; at most {self._max_bytes} are allowed"
            raise BadNotification(field="body", reason="too_large", detail=detail)
        checked = parse(exact, max_bytes=self._max_bytes, now=datetime.now(UTC), new_id=str, content_type=MSGPACK)
        return Message(
            body=body,
            routing_key=routing_key(checked.channel, checked.notification_type),
            message_id=checked.notification_id,
        )


def _under(trace: TraceContext | None, message: Message) -> Message:
    return msgspec.structs.replace(message, trace=trace) if trace else message


def _json_value(value: Any) -> Any:
    """A datetime as RFC 3339 text; any other value unchanged."""
    if not isinstance(value, datetime):
        return value
    return rfc3339(value.astimezone(UTC)) if value.tzinfo else value.isoformat()
