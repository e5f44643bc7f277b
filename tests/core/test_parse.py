"""What may be published: every refusal names its field, and what passes comes out as it went in."""

import itertools
import json
from contextlib import suppress
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify_sse.core.faults import BLAMED_BYTES, MAX_DEPTH, fault_in
from notify_sse.core.media import JSON, MSGPACK, Kind
from notify_sse.core.model import Notification, Recall
from notify_sse.core.parse import parse_message
from notify_sse.errors import BadNotification
from tests.support.notifications import MAX_BYTES, NOW, documents, ids, parsed

GOOD: dict[str, Any] = {"notification_type": "new_message", "recipient_id": "alice", "payload": {}}
DELETE = object()


def body(**changes: Any) -> bytes:
    """`GOOD` with changes, as JSON that Python's own encoder made."""
    document = {name: value for name, value in (GOOD | changes).items() if value is not DELETE}
    return json.dumps(document).encode()


def refusal(raw: bytes, **more: Any) -> tuple[str, str]:
    """Field and reason of the refusal of `raw`."""
    with pytest.raises(BadNotification) as caught:
        parsed(raw, **more)
    error = caught.value
    assert error.reason in BadNotification.REASONS
    assert str(error) == f"{error.field}: {error.detail}"
    return error.field, error.reason


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"notification_type": DELETE}, "notification_type", "missing_field"),
        ({"recipient_id": DELETE}, "recipient_id", "missing_field"),
        ({"payload": DELETE}, "payload", "missing_field"),
        ({"colour": 1}, "colour", "unknown_field"),
        ({"c" * 200: 1}, "c" * 100, "unknown_field"),
        ({"topic": "news"}, "topic", "invalid_field"),
        ({"notification_id": ""}, "notification_id", "invalid_field"),
        ({"notification_id": "x" * 129}, "notification_id", "invalid_field"),
        ({"notification_id": 7}, "notification_id", "invalid_field"),
        ({"notification_type": ""}, "notification_type", "invalid_field"),
        ({"notification_type": "New"}, "notification_type", "invalid_field"),
        ({"notification_type": "a\n"}, "notification_type", "invalid_field"),
        ({"notification_type": "x" * 65}, "notification_type", "invalid_field"),
        ({"notification_type": 1}, "notification_type", "invalid_field"),
        ({"recipient_id": ""}, "recipient_id", "invalid_field"),
        ({"recipient_id": "x" * 201}, "recipient_id", "invalid_field"),
        ({"recipient_id": "é" * 101}, "recipient_id", "invalid_field"),
        ({"recipient_id": 1}, "recipient_id", "invalid_field"),
        ({"recipient_id": None}, "recipient_id", "missing_field"),
        ({"recipient_id": None, "topic": None}, "recipient_id", "missing_field"),
        ({"notification_type": None}, "notification_type", "invalid_field"),
        ({"recipient_id": "\ud800"}, "recipient_id", "invalid_field"),
        ({"recipient_id": DELETE, "topic": ""}, "topic", "invalid_field"),
        ({"recipient_id": DELETE, "topic": "a b"}, "topic", "invalid_field"),
        ({"recipient_id": DELETE, "topic": "a#"}, "topic", "invalid_field"),
        ({"recipient_id": DELETE, "topic": "news\n"}, "topic", "invalid_field"),
        ({"recipient_id": DELETE, "topic": "x" * 101}, "topic", "invalid_field"),
        ({"recipient_id": DELETE, "topic": None}, "recipient_id", "missing_field"),
        ({"timestamp": "yesterday"}, "timestamp", "invalid_field"),
        ({"timestamp": "2026-11-22T10:00:00"}, "timestamp", "invalid_field"),
        ({"timestamp": "2026-13-22T10:00:00Z"}, "timestamp", "invalid_field"),
        ({"timestamp": "2026-11-22"}, "timestamp", "invalid_field"),
        ({"timestamp": ""}, "timestamp", "invalid_field"),
        ({"timestamp": 0}, "timestamp", "invalid_field"),
        ({"expires_at": "soon"}, "expires_at", "invalid_field"),
        ({"payload": []}, "payload", "invalid_field"),
        ({"payload": None}, "payload", "invalid_field"),
        ({"payload": "{}"}, "payload", "invalid_field"),
        ({"payload": {"a": [0, 2**64]}}, "payload.a[1]", "invalid_field"),
        ({"payload": {"a": -(2**63) - 1}}, "payload.a", "invalid_field"),
        ({"payload": {"a": float("nan")}}, "payload.a", "invalid_field"),
        ({"payload": {"a": {"b": float("inf")}}}, "payload.a.b", "invalid_field"),
        ({"payload": {"a": "\udfff"}}, "payload.a", "invalid_field"),
        ({"payload": {"\ud800": 1}}, "payload", "invalid_field"),
        ({"payload": {"a": nested(32)}}, "payload.a" + "[0]" * 31, "too_deep"),
        ({"\ud800": 1}, "body", "invalid_field"),
    ],
)
def test_a_refusal_names_the_field(changes: dict[str, Any], field: str, reason: str) -> None:
    """Each clause of the contract, broken alone."""
    assert refusal(body(**changes)) == (field, reason)


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"", "body", "malformed"),
        (b"{", "body", "malformed"),
        (b"null", "body", "malformed"),
        (b"[]", "body", "malformed"),
        (b'"x"', "body", "malformed"),
        (b"\xff\xfe", "body", "malformed"),
        (body() + b"{}", "body", "malformed"),
        (b"[" * 10_000, "body", "too_deep"),
        (b'{"payload":' * 1000, "body", "too_deep"),
        (body(recipient_id="?").replace(b"?", b"\xff"), "recipient_id", "invalid_field"),
        (body(recipient_id="?").replace(b"?", b"\xed\xa0\x80"), "recipient_id", "invalid_field"),
        (body(payload={"a": "?"}).replace(b"?", b"\xc3"), "payload.a", "invalid_field"),
        (body(payload={"a": 7}).replace(b"7", b"1e999"), "payload.a", "invalid_field"),
        (body(payload={"a": 7}).replace(b"7", b"1" * 5000), "payload.a", "invalid_field"),
        (body(payload={"a": 7}).replace(b"7", b"NaN"), "payload.a", "invalid_field"),
        (b'{"": "\\ud800"}', '""', "invalid_field"),
        (b'{"": 1}', '""', "unknown_field"),
    ],
)
def test_what_does_not_decode_is_refused_with_what_can_be_said(raw: bytes, field: str, reason: str) -> None:
    assert refusal(raw) == (field, reason)


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"", "body", "malformed"),
        (b"\xc1", "body", "malformed"),
        (b"\x91" * 5000, "body", "too_deep"),
        (msgspec.msgpack.encode([GOOD]), "body", "malformed"),
        (msgspec.msgpack.encode({1: 2}), "1", "unknown_field"),
        (msgspec.msgpack.encode(GOOD | {"payload": {1: 2}}), "payload", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"payload": {"a": b"bytes"}}), "payload.a", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"payload": {"a": NOW}}), "payload.a", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"payload": {"a": msgspec.msgpack.Ext(5, b"x")}}), "payload.a", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"payload": {"a": float("nan")}}), "payload.a", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"timestamp": NOW}), "timestamp", "invalid_field"),
        (msgspec.msgpack.encode(GOOD | {"recipient_id": b"alice"}), "recipient_id", "invalid_field"),
        (msgspec.msgpack.encode(GOOD).replace(b"alice", b"ali\xffe"), "body", "malformed"),
        (msgspec.msgpack.encode(GOOD | {"payload": {"a": nested(32)}}), "payload.a" + "[0]" * 31, "too_deep"),
    ],
)
def test_messagepack_is_held_to_what_json_can_carry(raw: bytes, field: str, reason: str) -> None:
    assert refusal(raw, content_type=MSGPACK) == (field, reason)


@given(documents(), st.sets(st.sampled_from(["notification_id", "recipient_id", "topic", "timestamp", "expires_at"])))
def test_null_in_an_optional_field_is_as_no_field(document: dict[str, Any], empty: set[str]) -> None:
    """Many libraries write every field of an object. Of the same digest: a retry without them is a duplicate."""
    nulls = dict.fromkeys(empty - document.keys())
    plain = parsed(msgspec.json.encode(document))
    assert parsed(msgspec.json.encode(document | nulls)) == plain
    assert parsed(msgspec.msgpack.encode(document | nulls), content_type=MSGPACK) == plain
    for none in (None, False):  # over AMQP it says what a message is, and one program writes both
        assert parsed(msgspec.json.encode(document | {"recall": none})) == plain
    with pytest.raises(BadNotification, match="recall"):
        parsed(msgspec.json.encode(document | {"recall": True}))


@pytest.mark.parametrize("message_id", ["x" * 129, "\ud800"])
def test_a_message_id_that_cannot_be_an_id_is_refused(message_id: str) -> None:
    """It stands in for the notification_id, so it has to be one."""
    assert refusal(body(), message_id=message_id) == ("message_id", "invalid_field")


@pytest.mark.parametrize("content_type", [JSON, MSGPACK])
def test_the_size_limit_is_exact(content_type: str) -> None:
    """At `max_bytes` it passes, one byte over it does not, in either encoding."""
    encode = msgspec.json.encode if content_type == JSON else msgspec.msgpack.encode
    filler = next(n for n in itertools.count(16_000) if len(encode(GOOD | {"payload": {"a": "x" * n}})) == MAX_BYTES)
    at_limit = encode(GOOD | {"payload": {"a": "x" * filler}})
    over = encode(GOOD | {"payload": {"a": "x" * (filler + 1)}})
    if content_type == JSON:
        assert parsed(at_limit).body.count(b"x") >= filler
    assert refusal(over, content_type=content_type) == ("body", "too_large")


def test_messagepack_is_measured_as_json_too() -> None:
    """Bytes that MessagePack keeps short and JSON escapes: recipients get JSON."""
    short = msgspec.msgpack.encode(GOOD | {"payload": {"a": "\x00" * 3000}})
    assert len(short) < MAX_BYTES // 4
    assert refusal(short, content_type=MSGPACK) == ("body", "too_large")


@pytest.mark.parametrize("changes", [{"payload": {"a": nested(31)}}, {"payload": {"a": [2**64 - 1, -(2**63)]}}])
def test_values_at_the_limit_pass(changes: dict[str, Any]) -> None:
    assert json.loads(parsed(body(**changes)).body)["payload"] == changes["payload"]


@given(documents())
@example(GOOD | {"timestamp": "2016-12-31T23:59:60Z", "expires_at": "2016-12-31 23:59:60.5z"})
@example(GOOD | {"recipient_id": "é" * 100, "notification_id": "x" * 128})
@example(GOOD | {"expires_at": "0001-01-01T00:00:00+14:00", "timestamp": "9999-12-31T23:59:59.999999-12:00"})
def test_what_passes_comes_out_as_it_went_in(document: dict[str, Any]) -> None:
    """The body that recipients get holds what was published, and what was left out is filled in."""
    notification = parsed(msgspec.json.encode(document))
    filled = {"notification_id": "made", "timestamp": "2026-11-22T10:00:00.123Z"} | document
    assert json.loads(notification.body) == json.loads(json.dumps(filled))
    assert notification.notification_id == filled["notification_id"]
    assert notification.channel.partition(":")[2] == document.get("recipient_id", document.get("topic"))
    assert notification.channel.startswith("recipient:" if "recipient_id" in document else "topic:")
    assert (notification.expires_ms > 0) == ("expires_at" in document)
    assert not set(b"\r\n\x00") & set(notification.body)


@given(documents())
def test_json_and_messagepack_agree(document: dict[str, Any]) -> None:
    """The same content is the same notification, so that a retry in the other encoding is a duplicate."""
    by_json = parsed(msgspec.json.encode(document))
    assert parsed(msgspec.msgpack.encode(document), content_type=MSGPACK) == by_json


@given(documents(), st.randoms(use_true_random=False))
def test_neither_the_order_of_fields_nor_the_time_of_arrival_changes_the_digest(
    document: dict[str, Any], rng: Any
) -> None:
    """The digest covers what was given, not what was filled in: a retry compares equal."""
    pairs = list(document.items())
    rng.shuffle(pairs)
    again = parsed(msgspec.json.encode(dict(pairs)), new_id=lambda: "another", now=NOW.replace(year=2027))
    assert again.digest == parsed(msgspec.json.encode(document)).digest


@given(documents())
def test_other_content_has_another_digest(document: dict[str, Any]) -> None:
    """Any field but the id: a retry with other content is a conflict, not a duplicate."""
    digest = parsed(msgspec.json.encode(document)).digest
    other_type = document["notification_type"][1:] + ("y" if document["notification_type"].endswith("x") else "x")
    for change in ({"payload": {"was": document["payload"]}}, {"notification_type": other_type}):
        assert parsed(msgspec.json.encode(document | change)).digest != digest
    assert parsed(msgspec.json.encode(document | {"notification_id": "another"})).digest == digest


@given(ids)
def test_the_message_id_stands_in_for_a_missing_id_only(message_id: str) -> None:
    assert parsed(body(), message_id=message_id).notification_id == message_id
    assert parsed(body(notification_id="given"), message_id=message_id).notification_id == "given"


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_noise_is_refused_and_nothing_else_is_raised(raw: bytes) -> None:
    for content_type in (JSON, MSGPACK):
        refusal(raw, content_type=content_type)


@given(documents(), st.data())
def test_a_damaged_document_is_refused_or_passes_and_nothing_else(document: dict[str, Any], data: Any) -> None:
    """Ingest survives any bytes: `BadNotification` is the only way out."""
    encode, content_type = data.draw(st.sampled_from(((msgspec.json.encode, JSON), (msgspec.msgpack.encode, MSGPACK))))
    raw = bytearray(encode(document))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with suppress(BadNotification):
        notification = parsed(bytes(raw), content_type=content_type)
        json.loads(notification.body)
        notification.channel.encode()


def test_a_document_that_does_not_decode_is_searched_only_when_it_is_small() -> None:
    raw = b'{"recipient_id":"a","notification_type":"t","payload":{"x":NaN,"y":"%b"}}'
    assert refusal(raw % b"", max_bytes=1_000_000) == ("payload.x", "invalid_field")
    assert refusal(raw % (b"y" * BLAMED_BYTES), max_bytes=1_000_000) == ("body", "malformed")


def test_an_error_within_a_batch_names_the_item() -> None:
    error = BadNotification(field="payload.a", reason="invalid_field", detail="is not right")
    assert error.within("[3]").field == "[3].payload.a"


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        ([0] * 8000, None),
        ([0] * 8000 + [2**64], "payload.x[8000]"),
        ([-(2**63), 2**64 - 1, True, None, "\u00e9", 1.5], None),
        ([True, -(2**63) - 1], "payload.x[1]"),
        ([1.0, float("nan")], "payload.x[1]"),
        (["a", "\ud800"], "payload.x[1]"),
        ([{"a": [b""]}], "payload.x[0].a[0]"),
        ([[], {}, [{}]], None),
        ({"\ud800": 1}, "payload.x"),
        ({1: 1}, "payload.x"),
        (nested(MAX_DEPTH - 1), None),
        (nested(MAX_DEPTH), "payload.x" + "[0]" * (MAX_DEPTH - 1)),
    ],
)
def test_what_json_cannot_carry_is_found_wherever_it_is(value: Any, fault: str | None) -> None:
    """The quick look at whole lists finds a fault exactly where the slow one names it."""
    found = fault_in({"x": value}, "payload")
    assert (found and found[0]) == fault


def test_an_empty_list_is_too_deep_too() -> None:
    value: Any = []
    for _ in range(MAX_DEPTH - 1):
        value = [value]
    found = fault_in({"x": value}, "payload")
    assert found is not None
    assert found[1] == "too_deep"


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"n": 2**53}, "payload.n"),
        ({"n": -(2**53)}, "payload.n"),
        ({"a": [1, {"b": 9007199254740993}]}, "payload.a[1].b"),
        ({"n": 2**64 - 1}, "payload.n"),
        ({"n": 2**53 - 1}, None),
        ({"n": "9007199254740993", "9007199254740993": 1}, None),
        ({"n": 9007199254740993.0}, None),
        ({"n": True}, None),
    ],
)
@pytest.mark.parametrize("kind", [JSON, MSGPACK])
def test_an_integer_that_javascript_cannot_hold_is_marked_or_refused(
    payload: dict[str, Any], field: str | None, kind: Kind
) -> None:
    """It comes out as it went in, and is marked; `strict_numbers` refuses it by name."""
    document = GOOD | {"payload": payload}
    raw = msgspec.msgpack.encode(document) if kind == MSGPACK else json.dumps(document).encode()
    one = parsed(raw, content_type=kind)
    assert one.has_unsafe_number == (field is not None)
    assert json.loads(one.body)["payload"] == payload
    if field:
        assert refusal(raw, content_type=kind, strict_numbers=True) == (field, "invalid_field")
    else:
        assert parsed(raw, content_type=kind, strict_numbers=True) == one


def _recall(message_id: str | None = None, **fields: Any) -> Notification | Recall:
    raw = json.dumps({"recall": True, "recipient_id": "alice", **fields}).encode()
    return parse_message(raw, max_bytes=MAX_BYTES, now=NOW, new_id=str, message_id=message_id)


def test_a_recall_names_its_notification_in_the_body_or_by_the_property() -> None:
    def named(notification_id: str) -> Recall:
        return Recall(notification_id=notification_id, notification_type="", channel="recipient:alice")

    assert _recall("property", notification_id="body") == named("body")
    assert _recall("property") == named("property")
    with pytest.raises(BadNotification) as caught:
        _recall()
    assert (caught.value.field, caught.value.reason) == ("notification_id", "missing_field")


def test_silent_is_a_boolean_and_goes_to_the_client() -> None:
    document = {"recipient_id": "alice", "notification_type": "t", "payload": {}}
    made = parsed(json.dumps({**document, "silent": True}).encode())
    assert made.silent
    assert json.loads(made.body)["silent"] is True
    with pytest.raises(BadNotification) as caught:
        parsed(json.dumps({**document, "silent": 1}).encode())
    assert caught.value.field == "silent"
    said, unsaid = (parsed(json.dumps(one).encode()) for one in ({**document, "silent": False}, document))
    assert "silent" not in json.loads(said.body)
    assert said.digest == unsaid.digest, "the same content, however it is written"


def test_what_is_broken_first_and_nested_without_end_behind_is_blamed_for_its_depth() -> None:
    """A NaN is none of JSON; who looks for the fault passes over it, and must not fall into what follows."""
    with pytest.raises(BadNotification) as caught:
        parsed(b'{"n": NaN, "payload": ' + b"[" * 10_000)
    assert caught.value.reason == "too_deep"
