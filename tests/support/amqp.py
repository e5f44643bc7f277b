"""Publishing over AMQP with pika, a client that is not ours. By the contract alone: no code of the service is used."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, cast

import pika
import pika.exceptions
from pika.adapters.blocking_connection import BlockingChannel

from tests.support.contract import key_of

DECLARED_S = 15.0
POLL_S = 0.02


class DeadLetter(NamedTuple):
    """A message of the dead-letter queue."""

    reason: str
    detail: str
    body: bytes
    headers: dict[str, object]
    properties: pika.BasicProperties


class Publisher:
    """A channel in confirm mode. `publish` returns once the broker has confirmed; pika raises when it does not."""

    def __init__(self, channel: BlockingChannel, prefix: str) -> None:
        self.channel = channel
        self.prefix = prefix
        channel.confirm_delivery()

    def publish(
        self,
        document: dict[str, Any] | bytes,
        *,
        key: str | None = None,
        content_type: str | bytes = "application/json",
        message_id: str | bytes | None = None,
        content_encoding: str | bytes | None = None,
        headers: dict[str, Any] | None = None,
    ) -> None:
        """Publish as JSON, with the key that its body asks for unless another is given.

        Properties that are `bytes` are sent as they are: what is no UTF-8 among them too.
        """
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        if key is None:
            assert isinstance(document, dict)
            key = key_of(document)
        # pika takes bytes too; its stubs do not say so.
        properties = pika.BasicProperties(
            content_type=cast("str", content_type),
            content_encoding=cast("str | None", content_encoding),
            message_id=cast("str | None", message_id),
            delivery_mode=2,
            headers=headers,
        )
        deadline = time.monotonic() + DECLARED_S
        while True:
            try:
                return self.channel.basic_publish(self.prefix, key, body, properties, mandatory=True)
            except pika.exceptions.UnroutableError:  # the queue is declared a moment before it is bound
                assert time.monotonic() < deadline, f"waited {DECLARED_S:g} s in vain for a queue for {key}"
                self.channel.connection.sleep(POLL_S)

    def dead_letters(self) -> Iterator[DeadLetter]:
        """Take everything out of the dead-letter queue."""
        while True:
            method, properties, body = self.channel.basic_get(f"{self.prefix}.dead", auto_ack=True)
            if method is None or properties is None or body is None:
                return
            headers: dict[str, object] = dict(properties.headers or {})
            yield DeadLetter(
                str(headers.get("x-notify-reason", "")),
                str(headers.get("x-notify-detail", "")),
                body,
                headers,
                properties,
            )


@contextmanager
def publisher(broker_url: str, prefix: str) -> Iterator[Publisher]:
    """A publisher on a connection of its own.

    Waits until a service has declared the exchange and the queues: one that is ready serves streams, and may have its
    broker a moment later.
    """
    parameters = pika.URLParameters(broker_url)
    with pika.BlockingConnection(parameters) as connection:
        deadline = time.monotonic() + DECLARED_S
        while not _declared(connection, prefix):
            assert time.monotonic() < deadline, f"waited {DECLARED_S:g} s in vain for the queues of {prefix}"
            connection.sleep(POLL_S)
        yield Publisher(connection.channel(), prefix)


def _declared(connection: pika.BlockingConnection, prefix: str) -> bool:
    channel = connection.channel()
    try:
        channel.exchange_declare(prefix, passive=True)
        channel.queue_declare(f"{prefix}.dead", passive=True)
        channel.queue_declare(f"{prefix}.ingest", passive=True)
    except pika.exceptions.ChannelClosedByBroker:
        return False
    return True


def printable(key: str) -> bool:
    """Whether a routing key holds only what AMQP tools can show."""
    return re.fullmatch(r"[A-Za-z0-9_.%~-]+", key) is not None
