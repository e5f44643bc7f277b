"""What is a plain stream's head is decided by its bytes alone, however they come; in doubt it is not."""

import pytest

from notify_sse.web.door.head import (
    LINES_AT_ONCE,
    MAX_FIELDS,
    MAX_HEAD_BYTES,
    PlainRequest,
    PublishRequest,
    Undecided,
    UpgradeRequest,
    few_lines,
    read,
)
from tests.web.door.heads import HEAD, OTHERS, PATH, PATHS, head, publish, upgrade


def test_a_plain_stream_is_read_as_asgi_wants_it() -> None:
    """Names in lower case, values without the space around them, the query as it came."""
    assert read(HEAD, paths=PATHS) == PlainRequest(
        b"topics=a,b",
        [
            (b"host", b"x"),
            (b"accept", b"text/event-stream"),
            (b"last-event-id", b"k3f9a1.4711"),
            (b"connection", b"keep-alive"),
            (b"x", b""),
        ],
    )


@pytest.mark.parametrize("query", [b"", b"?", b"?a", b"?a=%20&b=c?d#e", b"?\"<>\\^`{|}'"])
def test_any_query_will_do(query: bytes) -> None:
    request = read(head(start=b"GET " + PATH + query + b" HTTP/1.1"), paths=PATHS)
    assert isinstance(request, PlainRequest)
    assert request.query == query[1:]


def test_every_beginning_is_waited_for() -> None:
    for whole in (HEAD, upgrade(b"X: y")):
        assert {read(whole[:end], paths=PATHS) for end in range(len(whole))} == {Undecided.INCOMPLETE}


@pytest.mark.parametrize("behind", [b"", b"x", b"\x81", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"])
def test_a_websocket_is_taken_with_what_comes_behind_it(behind: bytes) -> None:
    """Whoever reads it, that is no second request. Whether the handshake is right is the app's question."""
    for key in (b"", b"Sec-WebSocket-Key: another"):
        request = read(upgrade(key, start=b"GET /notifications/ws?topics=a HTTP/1.1") + behind, paths=PATHS)
        assert isinstance(request, UpgradeRequest)
        assert (request.query, request.behind) == (b"topics=a", behind)
        assert (b"connection", b"keep-alive, Upgrade") in request.headers


@pytest.mark.parametrize("other", OTHERS.values(), ids=OTHERS)
def test_whatever_else_it_is_goes_to_hypercorn(other: bytes) -> None:
    """Legal or not: nothing that two readers could read in two ways is read here."""
    assert read(other, paths=PATHS) is Undecided.OTHER


def test_a_head_of_too_many_fields_is_not_read_here() -> None:
    """Whatever it asks for. Hypercorn's side refuses it."""
    for make in (head, upgrade, lambda *lines: publish(b"{}", *lines)):
        several = [b"X-%d: y" % number for number in range(MAX_FIELDS)]
        assert read(make(*several[:-8]), paths=PATHS) is not Undecided.OTHER
        assert read(make(*several), paths=PATHS) is Undecided.OTHER


def test_the_first_byte_that_differs_decides() -> None:
    """Nobody waits at the door for what can become no stream."""
    start = b"GET " + PATH
    for place in range(len(start)):
        assert read(start[:place] + b"\x16", paths=PATHS) is Undecided.OTHER
    for wrong in (b"\0", b"\n", b"\r\n \r", b"\r\nX: \xff", b"\r\nX: a\rb", b"\r\n\r"):
        bad = start + b" HTTP/1.1" + wrong
        assert read(bad, paths=PATHS) is (Undecided.INCOMPLETE if wrong == b"\r\n\r" else Undecided.OTHER), wrong


def test_the_limit_is_exact() -> None:
    """16 KB, the last line end counted; beyond it nobody waits for the end."""
    most = head(b"X: " + b"a" * (MAX_HEAD_BYTES - len(head(b"X: "))))
    assert len(most) == MAX_HEAD_BYTES
    assert isinstance(read(most, paths=PATHS), PlainRequest)
    assert read(most[:-2] + b"a\r\n\r\n", paths=PATHS) is Undecided.OTHER
    assert read(most[:-4] + b"a" * 5, paths=PATHS) is Undecided.OTHER
    assert read(most[:-4], paths=PATHS) is Undecided.INCOMPLETE


def test_a_publish_is_read_with_its_length_and_what_follows() -> None:
    """The same wherever its head ends in what was read."""
    whole = publish(b"{}", b"Connection: Close", start=b"POST /notifications?a=b HTTP/1.1") + b"more"
    request = read(whole, paths=PATHS)
    assert isinstance(request, PublishRequest)
    assert (request.query, request.length, request.closes, request.behind) == (b"a=b", 2, True, b"{}more")
    for length in (b"0", b"9999999999"):
        request = read(publish(b"", length=length), paths=PATHS)
        assert isinstance(request, PublishRequest)
        assert (request.length, request.closes) == (int(length), False)


def test_every_beginning_of_a_publish_is_waited_for() -> None:
    whole = publish(b"")
    for end in range(len(whole)):
        assert read(whole[:end], paths=PATHS) is Undecided.INCOMPLETE
    large = read(publish(b"a" * 100_000), paths=PATHS)
    assert isinstance(large, PublishRequest), "the limit is that of the head"


@pytest.mark.parametrize(
    "data",
    [b"", b"a" * 70_000, b"\n" * 1000, b"a:\r\n" * LINES_AT_ONCE, b"a:\r\n" * LINES_AT_ONCE + b"b", b"a:\r\n" * 16_384],
    ids=lambda data: str(len(data)),
)
def test_a_few_lines_at_a_time_are_all_that_was_read(data: bytes) -> None:
    """And each part knows what is behind it. Without a line end, however long, it is one part."""
    read_so_far = b""
    for part, behind in few_lines(data):
        assert part.count(b"\n") <= LINES_AT_ONCE
        read_so_far += part
        assert read_so_far + behind == data
    assert read_so_far == data
