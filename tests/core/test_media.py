"""What kind of body it is, by content type and content encoding, as real clients send them; the same at both doors."""

import gzip
import tracemalloc
import zlib

import pytest

from notify_sse.core.media import JSON, MSGPACK, kind_of, unpacked
from notify_sse.errors import BadNotification

MAX_BYTES = 16_384


@pytest.mark.parametrize(
    "content_type",
    [
        "application/json",
        "application/json; charset=utf-8",
        "application/json;charset=UTF-8;x=y",
        "Application/JSON",
        " application/json ; v=1",
        "application/vnd.acme.note+json",
        "text/json",
        "text/x-json",
        "application/x-json; charset=utf-8",
        "text/plain",
        "text/plain; charset=UTF-8",
        "application/octet-stream",
        "application/x-www-form-urlencoded",
        "",
    ],
)
def test_json_is_taken_as_clients_name_it(content_type: str) -> None:
    """By type and subtype in any case, whatever the parameters; and tried where the client named nothing of its own."""
    assert kind_of(content_type) == JSON


@pytest.mark.parametrize(
    "content_type", ["application/msgpack", "APPLICATION/X-MSGPACK", "application/vnd.msgpack; v=5"]
)
def test_messagepack_is_taken_as_clients_name_it(content_type: str) -> None:
    assert kind_of(content_type) == MSGPACK


@pytest.mark.parametrize(
    "content_type",
    ["application/xml", "json", "application/jsonx", "application/json, text/plain", "+json", "a b/c+json", "*/*", "é"],
)
def test_other_content_types_are_refused(content_type: str) -> None:
    with pytest.raises(BadNotification) as caught:
        kind_of(content_type)
    assert (caught.value.field, caught.value.reason) == ("content_type", "unsupported_content_type")


@pytest.mark.parametrize("encoding", ["", "identity", "UTF-8", "utf8", "us-ascii", "binary", "ISO-8859-1", "8bit"])
def test_what_names_no_coding_leaves_the_body_as_it_is(encoding: str) -> None:
    """Spring and Celery put the character set there."""
    assert unpacked(b"{}", encoding, max_bytes=MAX_BYTES) == b"{}"


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_a_byte_order_mark_is_passed_over(encoding: str) -> None:
    """One, at the beginning: .NET and PowerShell write it."""
    for body, left in (
        (b"\xef\xbb\xbf{}", b"{}"),
        (b"\xef\xbb\xbf\xef\xbb\xbf{}", b"\xef\xbb\xbf{}"),
        (b"\xef\xbb\xbf", b""),
    ):
        raw = gzip.compress(body) if encoding else body
        assert unpacked(raw, encoding, max_bytes=MAX_BYTES) == left


@pytest.mark.parametrize("encoding", ["gzip", " GZIP ", "x-gzip"])
def test_gzip_is_undone(encoding: str) -> None:
    assert unpacked(gzip.compress(b"x" * MAX_BYTES), encoding, max_bytes=MAX_BYTES) == b"x" * MAX_BYTES


@pytest.mark.parametrize(
    ("raw", "encoding", "field", "reason"),
    [
        (b"", "br", "content_encoding", "unsupported_content_encoding"),
        (b"", "deflate", "content_encoding", "unsupported_content_encoding"),
        (b"", "gzip, gzip", "content_encoding", "unsupported_content_encoding"),
        (b"", "é" * 300, "content_encoding", "unsupported_content_encoding"),
        (b"", "gzip", "body", "malformed"),
        (b"{}", "gzip", "body", "malformed"),
        (zlib.compress(b"{}"), "gzip", "body", "malformed"),
        (gzip.compress(b"{}")[:-1], "gzip", "body", "malformed"),
        (gzip.compress(b"{}") + b"x", "gzip", "body", "malformed"),
        (gzip.compress(b"") * 2, "gzip", "body", "malformed"),
        (gzip.compress(b"x" * (MAX_BYTES + 1)), "gzip", "body", "too_large"),
    ],
    ids=["br", "deflate", "twice", "long", "empty", "plain", "zlib", "cut", "more", "two", "large"],
)
def test_other_codings_and_broken_gzip_are_refused(raw: bytes, encoding: str, field: str, reason: str) -> None:
    with pytest.raises(BadNotification) as caught:
        unpacked(raw, encoding, max_bytes=MAX_BYTES)
    assert (caught.value.field, caught.value.reason) == (field, reason)
    assert len(str(caught.value)) < 300


def test_a_bomb_is_refused_before_it_is_inflated() -> None:
    """The limit bounds the memory, and not only the answer."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    tracemalloc.start()
    with pytest.raises(BadNotification, match="when inflated"):
        unpacked(bomb, "gzip", max_bytes=MAX_BYTES)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000
