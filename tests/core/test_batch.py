"""An array is taken apart in small steps; how, makes no difference to what comes out."""

import json
import time
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from notify_sse.core import batch
from notify_sse.core.batch import AT_ONCE_BYTES, faults_of_batch, is_batch, split_batch
from notify_sse.core.faults import BLAMED_BYTES, Fault
from notify_sse.core.media import JSON, MSGPACK, Kind
from notify_sse.errors import BadNotification
from tests.support.notifications import documents

MAX_ITEMS, MAX_BYTES = 500, 16_384


def split(raw: bytes, content_type: Kind = JSON, *, max_items: int = MAX_ITEMS) -> list[msgspec.Raw] | None:
    return _joined(split_batch(raw, content_type, max_items=max_items, max_bytes=MAX_BYTES))


def _joined(steps: Iterator[list[msgspec.Raw] | None]) -> list[msgspec.Raw] | None:
    items: list[msgspec.Raw] = []
    for some in steps:
        if some is None:
            return None
        items += some
    return items


def _in_steps(raw: bytes, *, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> list[msgspec.Raw] | None:
    """As one that is too large to be split at once."""
    return _joined(batch._step_through_json(raw, max_items, max_bytes))


@given(st.lists(documents(), min_size=1, max_size=5))
def test_a_batch_splits_into_its_items(items: list[dict[str, Any]]) -> None:
    """Each as the bytes that were sent, in order, in either encoding, at once and in steps."""
    kinds: list[tuple[Any, Any, Kind]] = [
        (msgspec.json.encode, msgspec.json.decode, JSON),
        (lambda value: json.dumps(value, indent=1).encode(), msgspec.json.decode, JSON),
        (msgspec.msgpack.encode, msgspec.msgpack.decode, MSGPACK),
    ]
    for encode, decode, content_type in kinds:
        raw = encode(items)
        assert is_batch(raw, content_type)
        for found in (split(raw, content_type), *([_in_steps(raw)] if content_type == JSON else [])):
            assert found is not None
            assert [decode(item) for item in found] == [decode(encode(item)) for item in items]
        assert not is_batch(encode({}), content_type)


PIECES = st.sampled_from(
    ['"', "\\", "{", "}", "[", "]", ",", ":", " ", "\n", "0", "-1.5e3", "true", "nul", '"a"', '{"a":[1,"]"]}', "\u00e9"]
)


def _outcome(take: Callable[[bytes], list[msgspec.Raw] | None], raw: bytes) -> list[bytes] | str | None:
    try:
        items = take(raw)
    except BadNotification as exc:
        return str(exc)
    return None if items is None else [bytes(item) for item in items]


@given(st.lists(PIECES, max_size=12).map("".join))
@example("")
@example("1,")
@example(',"a"')
@example('"\\"')
@example("{}]")
def test_in_steps_it_is_an_array_exactly_if_it_is_one_at_once(inside: str) -> None:
    raw = f"[{inside}]".encode()
    assert _outcome(_in_steps, raw) == _outcome(split, raw)


@pytest.mark.parametrize(("count", "reason"), [(0, "invalid_field"), (4, "too_large"), (100_000, "too_large")])
def test_an_array_of_none_or_too_many_is_refused(count: int, reason: str) -> None:
    raw, packed = msgspec.json.encode([{}] * count), msgspec.msgpack.encode([{}] * count)
    takes: tuple[Callable[[], object], ...] = (
        lambda: split(raw, max_items=3),
        lambda: split(packed, MSGPACK, max_items=3),
        lambda: _in_steps(raw, max_items=3),
    )
    for take in takes:
        with pytest.raises(BadNotification) as caught:
            take()
        assert (caught.value.field, caught.value.reason) == ("body", reason)


def test_an_item_that_is_too_large_is_named() -> None:
    """As it is where the array is split at once, and then each item looked at."""
    large = b'{"a":"%b"}' % (b"x" * MAX_BYTES)
    for more in (b"", b"," + b"0," * AT_ONCE_BYTES + b"0"):
        with pytest.raises(BadNotification) as caught:
            _in_steps(b"[{}," + large + more + b"]")
        assert (caught.value.field, caught.value.reason) == ("[1].body", "too_large")
    exact = b'"%b"' % (b"x" * (MAX_BYTES - 2))
    assert _in_steps(b"[" + exact + b"]") is not None


@pytest.mark.parametrize(
    ("raw", "content_type"),
    [
        (b"[" + b"0," * 4_000_000 + b"0]", JSON),
        (b"[" + b'"' + b'\\"' * 4_000_000, JSON),
        (b"[" + b"[" * 8_000_000, JSON),
        (b"[" + b" " * 8_000_000, JSON),
        (b'["' + b"a" * 8_000_000 + b'"]', JSON),
        (b"[" + b"{}," * 2_000_000 + b"{}]", JSON),
        (b"\xdd" + (8_000_000).to_bytes(4, "big") + bytes(8_000_000), MSGPACK),
        (b"\xdd" + (8_000_000).to_bytes(4, "big") + bytes(7_000_000), MSGPACK),
    ],
    ids=["many numbers", "no end", "deep", "blank", "one text", "many items", "many in MessagePack", "cut short"],
)
def test_each_step_is_small_whatever_is_sent(raw: bytes, content_type: Kind) -> None:
    """Splitting the first of these at once took 0.4 s and 300 MB."""
    steps = split_batch(raw, content_type, max_items=MAX_ITEMS, max_bytes=MAX_BYTES)
    longest, taken = 0.0, 0
    while True:
        began = time.thread_time()
        try:
            some = next(steps)
        except (StopIteration, BadNotification):
            break
        finally:
            longest = max(longest, time.thread_time() - began)
        if some is None:
            break
        taken += len(some)
    assert longest < 0.1
    assert taken <= MAX_ITEMS


def _blamed(raw: bytes, content_type: Kind = JSON, *, max_items: int = MAX_ITEMS) -> Fault:
    """What is said of an array that does not split."""
    [*nothing, fault] = faults_of_batch(raw, content_type, max_items=max_items)
    assert not any(nothing)
    assert fault
    return fault


@pytest.mark.parametrize(
    ("raw", "field", "reason"),
    [
        (b"[{]", "body", "malformed"),
        (b"[1", "body", "malformed"),
        (b"[" * 9000, "[0].body", "too_deep"),
        (b"[NaN]", "body", "malformed"),
        (b'[{"payload":{"x":NaN}}]', "[0].payload.x", "invalid_field"),
        (b' [ {} ,\n{"payload":{"\xc3\xa9":NaN}} ]', "[1].payload.\u00e9", "invalid_field"),
        (b"[{},{}", "body", "malformed"),
        (b"[{},{}] x", "body", "malformed"),
        (b"[{} {}]", "body", "malformed"),
        (b'[{},"' + b"x" * BLAMED_BYTES + b'",NaN]', "body", "malformed"),
    ],
)
def test_a_batch_that_does_not_decode_names_what_can_be_said(raw: bytes, field: str, reason: str) -> None:
    assert split(raw) is None
    assert _in_steps(raw, max_bytes=1_000_000) is None
    assert _blamed(raw)[:2] == (field, reason)


def test_a_batch_that_does_not_decode_is_not_searched_beyond_its_limits() -> None:
    """In items, in bytes, and in bytes of one of them. Each step is small, whatever the whole is."""
    many = b"[" + b"{}," * 2_000_000 + b"NaN]"
    assert _blamed(many, max_items=7)[:2] == ("body", "malformed")
    assert len(list(faults_of_batch(many, JSON, max_items=7))) == 8
    assert _blamed(b"\xdd\x00", MSGPACK)[:2] == ("body", "malformed")
    sound = b'{"payload":{"y":"%b"}},' % (b"y" * 50_000)
    for count, field in ((20, "[20].payload.x"), (21, "body")):
        assert _blamed(b"[" + sound * count + b'{"payload":{"x":NaN}}]')[0] == field
