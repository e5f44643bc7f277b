"""The trace's headers out of a message's table of headers: found among whatever else is there, and never a trouble."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pamqp import encode

from notify_sse.broker.rabbitmq.trace_headers import context_in, context_in_table, headers_of
from notify_sse.core.model import TraceContext

PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
OTHERS: dict[str, Any] = {
    "flag": True,
    "small": 5,
    "large": 2**40,
    "ratio": 0.5,
    "price": Decimal("1.25"),
    "when": datetime(2026, 1, 1, tzinfo=UTC),
    "bytes": bytearray(b"\x00\xff"),
    "nothing": None,
    "inner": {"traceparent": "not this one"},
    "list": ["traceparent", 1],
}


def table(headers: dict[str, Any]) -> bytes:
    """In the order given, which `field_table` does not keep."""
    fields = b"".join(encode.field_table({name: value})[4:] for name, value in headers.items())
    return len(fields).to_bytes(4, "big") + fields


@pytest.mark.parametrize("place", range(len(OTHERS) + 1))
def test_found_among_headers_of_every_kind(place: int) -> None:
    """Before and behind them; what a table within the table says is not ours."""
    others = list(OTHERS.items())
    headers = dict([*others[:place], ("traceparent", PARENT), ("tracestate", "shop=1"), *others[place:]])
    assert context_in_table(b"before" + table(headers) + b"behind", 6) == TraceContext(PARENT, "shop=1")


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ({}, None),
        (OTHERS, None),
        ({"traceparent": PARENT}, TraceContext(PARENT)),
        ({"traceparent": bytearray(PARENT.encode())}, TraceContext(PARENT)),
        ({"traceparent": PARENT, "tracestate": "s=" + "x" * 600}, TraceContext(PARENT)),
        ({"traceparent": PARENT, "tracestate": 7}, TraceContext(PARENT)),
        ({"traceparent": "\xff" + PARENT[2:]}, TraceContext("\xff" + PARENT[2:])),
        ({"traceparent": PARENT + "-more"}, TraceContext(PARENT + "-more")),
        ({"traceparent": PARENT, "Z": "tracestate"}, TraceContext(PARENT)),
        ({"a": "x", "traceparent": PARENT, "tracestate": "shop=1"}, TraceContext(PARENT, "shop=1")),
        ({"app-of-shop": "x", "tracestat2": "y", "traceparent": PARENT}, TraceContext(PARENT)),
        ({"traceparent": ""}, None),
        ({"traceparent": "x" * 129}, None),
        ({"traceparent": 7}, None),
        ({"tracestate": "shop=1"}, None),
        ({"Traceparent": PARENT}, None),
    ],
    ids=str,
)
def test_what_is_taken_and_what_is_not(headers: dict[str, Any], found: TraceContext | None) -> None:
    assert context_in_table(table(headers), 0) == found


@pytest.mark.parametrize("name", [*OTHERS, "text"])
def test_what_looks_like_the_header_within_a_value_is_not_it(name: str) -> None:
    """As it stands in a table, byte by byte, before the header itself and in place of it."""
    inside = table({"traceparent": "00-" + "f" * 52})[4:].decode()
    value = {"inner": {"traceparent": "00-" + "f" * 52}, "list": [inside], "bytes": bytearray(inside.encode())}
    given = {name: value.get(name, inside)}
    assert context_in_table(table(given | {"traceparent": PARENT}), 0) == TraceContext(PARENT)
    assert context_in_table(table(given), 0) is None
    assert context_in_table(b"\0\0\0", 0) is None


def test_each_context_comes_back_as_it_was_sent() -> None:
    for trace in (TraceContext(PARENT), TraceContext(PARENT, "shop=1")):
        assert context_in(headers_of(trace)) == trace


def test_a_kind_that_is_not_known_ends_the_search() -> None:
    """What stands behind it cannot be found; what stood before it is taken."""
    known = table({"traceparent": PARENT})[4:]
    strange = b"\x01a?"
    for body, found in ((known + strange, TraceContext(PARENT)), (strange + known, None)):
        assert context_in_table(len(body).to_bytes(4, "big") + body, 0) == found


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_no_bytes_at_all_can_hurt(before: bytes, behind: bytes) -> None:
    """An exception here would end the connection, and the message would come again for ever."""
    body = before + b"\x0btraceparentS" + behind
    context_in_table(len(body).to_bytes(4, "big") + body, 0)
