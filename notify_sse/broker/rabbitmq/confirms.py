"""Publishing with confirms on one channel, written to the socket and read from it past aiormq.

A publish through aiormq takes a lock, a queue and 150 µs, and it matches a returned message by its `message_id`, which
two messages may share. Here the frames are packed by hand (AMQP 0-9-1, sections 2.3.5 and 4.2), those of one turn of
the event loop leave in one write, and confirms are taken off the socket by a tap. Everything else on the channel goes
to aiormq.
"""

import asyncio
import struct
from collections.abc import Callable, Mapping
from typing import Any, Final

from pamqp import encode

from notify_sse.broker.rabbitmq import trace_headers
from notify_sse.broker.rabbitmq.wire import (
    BODY,
    CONTENT_ENCODING,
    CONTENT_TYPE,
    DELIVERY_MODE,
    FRAME_HEAD,
    HEADER,
    HEADERS,
    LONG_LONG,
    MESSAGE_ID,
    METHOD,
    TIMESTAMP,
    Wire,
)
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable

BASIC: Final = 60
PUBLISH: Final = struct.pack(">HHH", BASIC, 40, 0)
ACK, NACK, RETURN = (struct.pack(">HH", BASIC, method) for method in (80, 120, 50))
METHOD_BYTES: Final = 4
CONFIRM: Final = struct.Struct(">QB")
CONTENT: Final = struct.Struct(">HHQH")
"""Class, weight, size of the body, flags of the properties."""
PERSISTENT: Final = b"\x02"
MANDATORY: Final = b"\x01"
FRAME_END: Final = b"\xce"
FRAME_EXTRA: Final = FRAME_HEAD.size + len(FRAME_END)
LARGEST_FRAME: Final = 131_072
"""When the broker names no limit."""


class Confirms:
    """Publishes on channel `number`, which is in confirm mode and on which nobody else publishes.

    A message that no queue takes is an error: RabbitMQ returns it, and confirms it all the same, but has stored it
    nowhere. Whatever waits fails then, since a returned message does not say which it was, and `on_returned` is called
    with the error. `frame_max` is what was agreed with the broker, in bytes.
    """

    def __init__(
        self, wire: Wire, number: int, *, frame_max: int, on_returned: Callable[[BrokerUnavailable], None]
    ) -> None:
        self._wire = wire
        self._number = number
        self._body_max = (frame_max or LARGEST_FRAME) - FRAME_EXTRA
        self._on_returned = on_returned
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._tag = 0
        self._waiting: dict[int, asyncio.Future[None]] = {}
        self._lost = ""
        wire.tap(number, self)

    def publish(self, exchange: str, message: Message, headers: Mapping[str, Any]) -> "asyncio.Future[None]":
        """Send `message`, persistent and mandatory, at the end of this turn of the event loop.

        The future is done when the broker confirmed it; it fails with `BrokerUnavailable` when the broker refused it,
        or when the connection is lost. It may be cancelled.
        """
        if self._lost:
            raise BrokerUnavailable(self._lost)
        if message.trace:
            headers = {**trace_headers.headers_of(message.trace), **headers}
        frames = self._frames(exchange, message, headers)
        if not self._unsent:
            self._loop.call_soon(self._flush)
        self._unsent += frames
        self._tag += 1
        confirmed = self._waiting[self._tag] = self._loop.create_future()
        return confirmed

    def lose(self, reason: str) -> None:
        """Nothing will be confirmed any more: fail whatever waits, and whatever is published later. Idempotent."""
        self._lost = self._lost or reason
        self._unsent.clear()
        waiting, self._waiting = self._waiting, {}
        for confirmed in waiting.values():
            if not confirmed.done():
                confirmed.set_exception(BrokerUnavailable(reason))

    def take(self, kind: int, payload: bytes) -> bool:
        """Take a frame that came in on the channel, if it is about what was published. See `wire.FrameTap`."""
        if kind != METHOD:
            return True  # the content of a returned message
        method = payload[:METHOD_BYTES]
        if method in (ACK, NACK):
            tag, flags = CONFIRM.unpack_from(payload, METHOD_BYTES)
            self._settle(tag, multiple=bool(flags & 1), refused=method == NACK)
        elif method == RETURN:
            exchange = _returned_from(payload)
            self.lose(f"no queue takes what is published to {exchange}: has notify-sse been started on this broker?")
            self._on_returned(BrokerUnavailable(self._lost))
        else:
            return False
        return True

    def _settle(self, tag: int, *, multiple: bool, refused: bool) -> None:
        """The broker answered `tag`, or with `multiple` everything up to it that it has not answered yet."""
        waiting = self._waiting
        tags = [tag] if tag in waiting else []
        if multiple:
            tags = []
            for earlier in waiting:  # in the order of their tags
                if earlier > tag:
                    break
                tags.append(earlier)
        for answered in tags:
            confirmed = waiting.pop(answered)
            if confirmed.done():
                continue
            if refused:
                confirmed.set_exception(BrokerUnavailable("the broker refused to store it"))
            else:
                confirmed.set_result(None)

    def _flush(self) -> None:
        frames, self._unsent = self._unsent, []
        if frames:
            self._wire.write(b"".join(frames))

    def _frames(self, exchange: str, message: Message, headers: Mapping[str, Any]) -> list[bytes]:
        method = b"".join((PUBLISH, _short(exchange), _short(message.routing_key), MANDATORY))
        frames = [*self._frame(METHOD, method), *self._frame(HEADER, _content_header(message, headers))]
        body, most = message.body, self._body_max
        for start in range(0, len(body), most):
            frames += self._frame(BODY, body if len(body) <= most else body[start : start + most])
        return frames

    def _frame(self, kind: int, payload: bytes) -> tuple[bytes, bytes, bytes]:
        return FRAME_HEAD.pack(kind, self._number, len(payload)), payload, FRAME_END


def _content_header(message: Message, headers: Mapping[str, Any]) -> bytes:
    """The content header: the properties in the order of their flags (AMQP 0-9-1, section 4.2.6.1)."""
    flags = CONTENT_TYPE | DELIVERY_MODE | MESSAGE_ID
    properties = [_short(message.content_type)]
    if message.content_encoding:
        flags |= CONTENT_ENCODING
        properties.append(_short(message.content_encoding))
    if headers:
        flags |= HEADERS
        properties.append(encode.field_table(dict(headers)))
    properties += (PERSISTENT, _short(message.message_id))
    if message.timestamp:
        flags |= TIMESTAMP
        properties.append(LONG_LONG.pack(message.timestamp))
    return CONTENT.pack(BASIC, 0, len(message.body), flags) + b"".join(properties)


def _returned_from(payload: bytes) -> str:
    """The exchange of basic.return: after the method come a code of two bytes, a text, and the exchange."""
    at = METHOD_BYTES + 2
    at += 1 + payload[at]
    return payload[at + 1 : at + 1 + payload[at]].decode(errors="replace")


def _short(text: str) -> bytes:
    """A short string. Raises ValueError when `text` is over 255 bytes."""
    data = text.encode()
    return bytes((len(data),)) + data
