"""Everything that the contract refuses, with the field and the reason that it names: for HTTP and for AMQP alike."""

import gzip
import json
from typing import Any, NamedTuple

import msgspec

JSON = "application/json"
MSGPACK = "application/msgpack"
BAD_TIMES = (
    "yesterday",
    "2026-11-22",
    "2026-11-22T10:00:00",
    "2026-13-01T00:00:00Z",
    "2026-02-30T00:00:00Z",
    "2026-11-22T25:00:00Z",
    "2026-11-22T10:00:00+0200",
    "2026-11-22T10:00Z",
    "",
    1763805600,
)


class Refusal(NamedTuple):
    """A body and how it is refused."""

    name: str
    body: bytes
    field: str
    reason: str
    content_type: str = JSON
    content_encoding: str = ""


def good(**fields: Any) -> dict[str, Any]:
    """A notification that is refused only for `fields`; one that is `...` is left out."""
    document = {"recipient_id": "alice", "notification_type": "new_message", "payload": {}} | fields
    return {name: value for name, value in document.items() if value is not ...}


def sent_with(refusal: Refusal) -> dict[str, str]:
    """The headers that an HTTP request with this body has."""
    headers = {"Content-Type": refusal.content_type, "Content-Encoding": refusal.content_encoding}
    return {name: value for name, value in headers.items() if value}


def _json(name: str, field: str, reason: str, **fields: Any) -> Refusal:
    return Refusal(name, json.dumps(good(**fields)).encode(), field, reason)


def _raw(name: str, payload: bytes, field: str, reason: str) -> Refusal:
    """A payload written by hand, since no encoder would."""
    body = b'{"recipient_id":"alice","notification_type":"new_message","payload":%b}' % payload
    return Refusal(name, body, field, reason)


def _msgpack(name: str, body: bytes, field: str, reason: str) -> Refusal:
    return Refusal(name, body, field, reason, MSGPACK)


def _nested(depth: int) -> Any:
    value: Any = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSALS: tuple[Refusal, ...] = (
    # What is not an object at all.
    Refusal("empty", b"", "body", "malformed"),
    Refusal("not-json", b"hello", "body", "malformed"),
    Refusal("cut-off", b'{"recipient_id":"alice",', "body", "malformed"),
    Refusal("two-documents", b"{}{}", "body", "malformed"),
    Refusal("string", b'"alice"', "body", "malformed"),
    Refusal("number", b"1", "body", "malformed"),
    Refusal("null", b"null", "body", "malformed"),
    Refusal("trailing-comma", b'{"recipient_id":"alice",}', "body", "malformed"),
    Refusal("utf-16", json.dumps(good()).encode("utf-16"), "body", "malformed"),
    # Fields that are missing, unknown, of the wrong type.
    _json("no-type", "notification_type", "missing_field", notification_type=...),
    _json("no-address", "recipient_id", "missing_field", recipient_id=...),
    _json("no-payload", "payload", "missing_field", payload=...),
    _json("both-addresses", "topic", "invalid_field", topic="news"),
    _json("unknown-field", "priority", "unknown_field", priority=1),
    _json("unknown-case", "Payload", "unknown_field", Payload={}),
    _json("id-empty", "notification_id", "invalid_field", notification_id=""),
    _json("id-long", "notification_id", "invalid_field", notification_id="x" * 129),
    _json("id-number", "notification_id", "invalid_field", notification_id=7),
    _json("address-null", "recipient_id", "missing_field", recipient_id=None),
    _json("type-empty", "notification_type", "invalid_field", notification_type=""),
    _json("type-upper", "notification_type", "invalid_field", notification_type="NewMessage"),
    _json("type-space", "notification_type", "invalid_field", notification_type="new message"),
    _json("type-newline", "notification_type", "invalid_field", notification_type="new_message\n"),
    _json("type-long", "notification_type", "invalid_field", notification_type="x" * 65),
    _json("type-number", "notification_type", "invalid_field", notification_type=1),
    _json("recipient-empty", "recipient_id", "invalid_field", recipient_id=""),
    _json("recipient-long", "recipient_id", "invalid_field", recipient_id="x" * 201),
    _json("recipient-long-utf8", "recipient_id", "invalid_field", recipient_id="é" * 101),
    _json("recipient-number", "recipient_id", "invalid_field", recipient_id=1),
    _json("recipient-list", "recipient_id", "invalid_field", recipient_id=["alice"]),
    _json("topic-empty", "topic", "invalid_field", recipient_id=..., topic=""),
    _json("topic-space", "topic", "invalid_field", recipient_id=..., topic="two words"),
    _json("topic-wildcard", "topic", "invalid_field", recipient_id=..., topic="#"),
    _json("topic-long", "topic", "invalid_field", recipient_id=..., topic="x" * 101),
    *(_json(f"timestamp-{n}", "timestamp", "invalid_field", timestamp=bad) for n, bad in enumerate(BAD_TIMES)),
    *(_json(f"expires-{n}", "expires_at", "invalid_field", expires_at=bad) for n, bad in enumerate(BAD_TIMES)),
    _json("payload-list", "payload", "invalid_field", payload=[]),
    _json("payload-string", "payload", "invalid_field", payload="hi"),
    _json("payload-null", "payload", "invalid_field", payload=None),
    # What JSON cannot carry faithfully.
    _raw("nan", b'{"x":NaN}', "payload.x", "invalid_field"),
    _raw("infinity", b'{"list":[1,-Infinity]}', "payload.list[1]", "invalid_field"),
    _raw("huge-float", b'{"x":1e999}', "payload.x", "invalid_field"),
    _raw("huge-integer", b'{"x":18446744073709551616}', "payload.x", "invalid_field"),
    _raw("huge-negative", b'{"x":-9223372036854775809}', "payload.x", "invalid_field"),
    _raw("enormous-integer", b'{"x":' + b"9" * 4000 + b"}", "payload.x", "invalid_field"),
    _raw("lone-surrogate", b'{"x":"\\ud800"}', "payload.x", "invalid_field"),
    _raw("swapped-surrogates", b'{"x":{"y":"\\udc00\\ud800"}}', "payload.x.y", "invalid_field"),
    _raw("surrogate-key", b'{"\\ud800":1}', "payload", "invalid_field"),
    _raw("invalid-utf8", b'{"x":"\xff\xfe"}', "payload.x", "invalid_field"),
    _raw("overlong-utf8", b'{"x":"\xc0\xaf"}', "payload.x", "invalid_field"),
    _raw("utf8-surrogate", b'{"x":"\xed\xa0\x80"}', "payload.x", "invalid_field"),
    Refusal(
        "surrogate-recipient",
        b'{"recipient_id":"\\ud800","notification_type":"t","payload":{}}',
        "recipient_id",
        "invalid_field",
    ),
    # Depth and size.
    _json("deep", "payload.x" + "[0]" * 31, "too_deep", payload={"x": _nested(32)}),
    _raw("bomb", b'{"x":' + b"[" * 7000 + b"]" * 7000 + b"}", "body", "too_deep"),
    _json("large", "body", "too_large", payload={"text": "x" * 16_384}),
    # The same over MessagePack, and what only that can say.
    _msgpack("msgpack-broken", b"\x81\xa1", "body", "malformed"),
    _msgpack("msgpack-string", msgspec.msgpack.encode("hi"), "body", "malformed"),
    _msgpack("msgpack-nan", msgspec.msgpack.encode(good(payload={"x": float("nan")})), "payload.x", "invalid_field"),
    _msgpack("msgpack-bytes", msgspec.msgpack.encode(good(payload={"x": b"raw"})), "payload.x", "invalid_field"),
    _msgpack("msgpack-key", msgspec.msgpack.encode(good(payload={"x": {1: 2}})), "payload.x", "invalid_field"),
    _msgpack(
        "msgpack-extension",
        msgspec.msgpack.encode(good(payload={"x": msgspec.msgpack.Ext(5, b"x")})),
        "payload.x",
        "invalid_field",
    ),
    _msgpack("msgpack-deep", msgspec.msgpack.encode(good(payload={"x": _nested(40)})), "payload.x", "too_deep"),
    Refusal("xml", b"<notification/>", "content_type", "unsupported_content_type", "application/xml"),
    Refusal("brotli", b"\x0b", "content_encoding", "unsupported_content_encoding", JSON, "br"),
    Refusal("twice-gzip", b"", "content_encoding", "unsupported_content_encoding", JSON, "gzip, gzip"),
    Refusal("not-gzip", json.dumps(good()).encode(), "body", "malformed", JSON, "gzip"),
    Refusal("half-gzip", gzip.compress(json.dumps(good()).encode())[:-4], "body", "malformed", JSON, "gzip"),
    Refusal("gzip-and-more", gzip.compress(json.dumps(good()).encode()) + b"x", "body", "malformed", JSON, "gzip"),
    Refusal("gzip-bomb", gzip.compress(b" " * 20_000_000), "body", "too_large", JSON, "gzip"),
)
