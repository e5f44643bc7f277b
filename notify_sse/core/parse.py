"""From bytes to a `Notification`: every check that the contract names, in one place.

The same function serves HTTP and AMQP. Order matters: size first, then syntax, depth, types, so that hostile input
costs little. Pure: the caller gives the time and the id to fill in.
"""

import hashlib
import re
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NoReturn

import msgspec

from notify_sse.core.channels import recipient_channel, topic_channel
from notify_sse.core.faults import (
    MAX_DEPTH,
    NOT_MSGPACK,
    UNSAFE_DIGITS,
    blame,
    fault_in,
    scalar_fault,
    unsafe_number_in,
)
from notify_sse.core.media import JSON, Kind
from notify_sse.core.model import Notification, Recall
from notify_sse.errors import BadNotification

MAX_NOTIFICATION_ID_CHARS: Final = 128
MAX_RECIPIENT_BYTES: Final = 200
TYPE: Final = re.compile(r"[a-z0-9_.-]{1,64}")
TOPIC: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}")
RFC3339: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_FIELDS: Final = frozenset(
    ("notification_id", "notification_type", "recipient_id", "topic", "timestamp", "payload", "expires_at", "silent")
)
_OPTIONAL: Final = frozenset(("notification_id", "recipient_id", "topic", "timestamp", "expires_at", "silent"))
"""The fields that may be absent, and so may be null."""
_encode = msgspec.json.Encoder().encode
_encode_sorted = msgspec.json.Encoder(order="sorted").encode


def parse(
    raw: bytes | memoryview,
    *,
    max_bytes: int,
    now: datetime,
    new_id: Callable[[], str],
    content_type: Kind = JSON,
    message_id: str | None = None,
    strict_numbers: bool = False,
) -> Notification:
    """One published notification, checked.

    `content_type` is what `media.kind_of` made of the one that was sent. `max_bytes` bounds it as published and as
    JSON. `now` fills a missing timestamp, `message_id` (the AMQP property) else `new_id()` a missing notification_id.
    `strict_numbers` refuses integers that JavaScript cannot hold. Raises `BadNotification`, which names the field.
    """
    given = _decode(raw, content_type, max_bytes=max_bytes)
    if given.get("recall") in (None, False):  # as over AMQP, where it is a field
        given.pop("recall", None)
    return _notification(
        given, max_bytes=max_bytes, now=now, new_id=new_id, message_id=message_id, strict_numbers=strict_numbers
    )


def parse_message(
    raw: bytes | memoryview,
    *,
    max_bytes: int,
    now: datetime,
    new_id: Callable[[], str],
    content_type: Kind = JSON,
    message_id: str | None = None,
    strict_numbers: bool = False,
) -> Notification | Recall:
    """One AMQP message, checked: as `parse`, or with `"recall": true` the recall of a notification.

    A recall names its notification like the publish did: by recipient or topic, and by its notification_id. What else a
    notification has may stand there, and says nothing.
    """
    given = _decode(raw, content_type, max_bytes=max_bytes)
    recall = given.pop("recall", None)
    if recall is True:
        return _recall(given, message_id)
    if recall not in (None, False):
        _refuse("recall", "invalid_field", "must be true or false")
    return _notification(
        given, max_bytes=max_bytes, now=now, new_id=new_id, message_id=message_id, strict_numbers=strict_numbers
    )


def channel_of(given: dict[str, Any]) -> str:
    """The channel of a document with `recipient_id` or `topic`. Raises `BadNotification`."""
    _check_address(given)
    return _channel(given)


def _channel(given: dict[str, Any]) -> str:
    """As `channel_of`, of one whose address was checked."""
    if "recipient_id" in given:
        return recipient_channel(given["recipient_id"])
    return topic_channel(given["topic"])


def _recall(given: dict[str, Any], message_id: str | None) -> Recall:
    _check_names(given)
    notification_id, field = given.get("notification_id"), "notification_id"
    if notification_id is None:
        if not message_id:
            _refuse("notification_id", "missing_field", "is required for a recall")
        notification_id, field = message_id, "message_id"
    if "notification_type" in given:
        _check_pattern(given, "notification_type", TYPE)
    return Recall(
        notification_id=_checked_id(notification_id, field),
        notification_type=given.get("notification_type", ""),
        channel=channel_of(given),
    )


def _notification(
    given: dict[str, Any],
    *,
    max_bytes: int,
    now: datetime,
    new_id: Callable[[], str],
    message_id: str | None,
    strict_numbers: bool,
) -> Notification:
    _check_document(given)
    content = _encode_sorted({name: value for name, value in given.items() if name != "notification_id"})
    if len(content) > max_bytes:
        _refuse("body", "too_large", f"is {len(content)} bytes as JSON; at most {max_bytes} are allowed")
    unsafe = unsafe_number_in(given["payload"], "payload") if UNSAFE_DIGITS.search(content) else None
    if unsafe and strict_numbers:
        _refuse(unsafe, "invalid_field", "is an integer beyond 2^53 - 1, which JavaScript cannot hold: send a string")
    notification_id = given.get("notification_id")
    if notification_id is None:
        notification_id = _checked_id(message_id, "message_id") if message_id else new_id()
    address = "recipient_id" if "recipient_id" in given else "topic"
    document = {
        "notification_id": notification_id,
        "notification_type": given["notification_type"],
        address: given[address],
        "timestamp": given.get("timestamp") or rfc3339(now),
        "payload": given["payload"],
    }
    expires_ms = 0
    if "expires_at" in given:
        document["expires_at"] = given["expires_at"]
        expires_ms = max(1, int(_time(given["expires_at"], "expires_at").timestamp() * 1000))
    silent = "silent" in given
    if silent:
        document["silent"] = True
    return Notification(
        notification_id=notification_id,
        notification_type=given["notification_type"],
        channel=_channel(given),
        body=_encode(document),
        digest=hashlib.blake2b(content, digest_size=16).digest(),
        expires_ms=expires_ms,
        silent=silent,
        has_unsafe_number=unsafe is not None,
    )


@lru_cache(maxsize=1)
def rfc3339(moment: datetime) -> str:
    """`moment` (aware) in UTC with milliseconds, the form of our own timestamps (RFC 3339)."""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refuse(field: str, reason: str, detail: str) -> NoReturn:
    raise BadNotification(field=field, reason=reason, detail=detail)


def _decode(raw: bytes | memoryview, content_type: Kind, *, max_bytes: int) -> dict[str, Any]:
    if len(raw) > max_bytes:
        _refuse("body", "too_large", f"is {len(raw)} bytes; at most {max_bytes} are allowed")
    codec = msgspec.json if content_type == JSON else msgspec.msgpack
    try:
        given = codec.decode(raw)
    except RecursionError as exc:
        detail = f"is nested over {MAX_DEPTH} levels"
        raise BadNotification(field="body", reason="too_deep", detail=detail) from exc
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, TypeError) as exc:
        field, reason, detail = blame(bytes(raw)) if content_type == JSON else NOT_MSGPACK
        raise BadNotification(field=field, reason=reason, detail=detail) from exc
    if not isinstance(given, dict):
        _refuse("body", "malformed", "must be an object")
    # What means the same as absent is no other content either: many libraries write every field of an object.
    for name in _OPTIONAL & given.keys():
        if given[name] is None:
            del given[name]
    if given.get("silent") is False:
        del given["silent"]
    return given


def _check_names(given: dict[Any, Any]) -> None:
    for name in given:
        if name not in _FIELDS:
            _refuse(str(name)[:100] or '""', "unknown_field", "is not a field of a notification")


def _check_document(given: dict[Any, Any]) -> None:
    _check_names(given)
    if "notification_id" in given:
        _checked_id(given["notification_id"], "notification_id")
    _check_pattern(given, "notification_type", TYPE)
    _check_address(given)
    for name in ("timestamp", "expires_at"):
        if name in given:
            _time(given[name], name)
    if given.get("silent", True) is not True:
        _refuse("silent", "invalid_field", "must be true or false")
    if "payload" not in given:
        _refuse("payload", "missing_field", "is required")
    if not isinstance(given["payload"], dict):
        _refuse("payload", "invalid_field", "must be an object")
    if fault := fault_in(given["payload"], "payload"):
        _refuse(*fault)


def _checked_id(value: object, field: str) -> str:
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_NOTIFICATION_ID_CHARS:
        _refuse(field, "invalid_field", f"must be a string of 1 to {MAX_NOTIFICATION_ID_CHARS} characters")
    if fault := scalar_fault(value):  # a message_id has not been through a decoder
        _refuse(field, "invalid_field", fault)
    return value


def _check_address(given: dict[str, Any]) -> None:
    if "recipient_id" in given and "topic" in given:
        _refuse("topic", "invalid_field", "must not stand beside recipient_id")
    if "topic" in given:
        _check_pattern(given, "topic", TOPIC)
        return
    if "recipient_id" not in given:
        _refuse("recipient_id", "missing_field", "is required (or topic)")
    recipient = given["recipient_id"]
    if not isinstance(recipient, str) or not 1 <= len(recipient.encode()) <= MAX_RECIPIENT_BYTES:
        _refuse("recipient_id", "invalid_field", f"must be a string of 1 to {MAX_RECIPIENT_BYTES} bytes")


def _check_pattern(given: dict[str, Any], field: str, pattern: re.Pattern[str]) -> None:
    if field not in given:
        _refuse(field, "missing_field", "is required")
    value = given[field]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(field, "invalid_field", f"must match {pattern.pattern}")


def _time(value: object, field: str) -> datetime:
    moment = None
    if isinstance(value, str) and RFC3339.fullmatch(value):
        with suppress(msgspec.ValidationError):
            # Python knows no leap seconds.
            moment = msgspec.convert(f"{value[:16]}:59{value[19:]}" if value[17:19] == "60" else value, datetime)
    if moment is None:
        _refuse(field, "invalid_field", "must be an RFC 3339 time with an offset, such as 2026-11-22T10:00:00Z")
    return moment
