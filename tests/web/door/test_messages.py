"""What a client may send, and what ends it: the published cases of the Autobahn test suite, by their numbers.

They speak to an echo harness on the same frame layer (`echo.py`). Autobahn's own client can be run against it as well.
"""

import pytest
from websockets.frames import Opcode

from notify_sse.web.door import websocket as door_websocket
from notify_sse.web.door.messages import Message, MessageReader, text_frame
from tests.web.door.echo import Echo, Said, closing, frame, frames, octets

TEXT, BINARY, CONT = Opcode.TEXT, Opcode.BINARY, Opcode.CONT
CLOSE, PING, PONG = Opcode.CLOSE, Opcode.PING, Opcode.PONG
SIZES = {1: 0, 2: 125, 3: 126, 4: 127, 5: 128, 6: 65_535, 7: 65_536}
NORMAL = Said(CLOSE, b"\x03\xe8")
KUHN = "κόσμε"
"""The text of Markus Kuhn's test of UTF-8 decoders, from which Autobahn has its cases."""


@pytest.fixture(autouse=True)
def _as_much_as_autobahn_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door_websocket, "MAX_MESSAGE_BYTES", 1_048_576)
    monkeypatch.setattr(door_websocket, "MAX_FRAMES_PER_S", 1_000_000)


def _fails(echo: Echo, code: int, *, after: list[Said] | None = None) -> None:
    """It ended with this code, and nothing was said behind it."""
    assert echo.said[:-1] == (after or [])
    assert echo.close_code == code
    assert echo.transport.ended
    assert echo.websocket.over


@pytest.mark.parametrize("opcode", [TEXT, BINARY], ids=["1.1 text", "1.2 binary"])
@pytest.mark.parametrize("size", SIZES.values(), ids=[f"{number}: {size}" for number, size in SIZES.items()])
async def test_1_any_size_is_echoed(opcode: Opcode, size: int) -> None:
    payload = b"*" * size if opcode == TEXT else b"\xfe" * size
    for pieces in ([frame(opcode, payload)], octets(frame(opcode, payload), 997)):
        echo = Echo().send(*pieces, closing(1000))
        assert echo.said == [Said(opcode, payload), NORMAL]


@pytest.mark.parametrize(
    "payload", [b"", b"Hello, world!", b"\x00\xff\xfe\xfd\xfc\xfb\x00\xff", b"\xfe" * 125], ids=["2.1", "2.2", "3", "4"]
)
async def test_2_a_ping_is_answered_with_its_payload(payload: bytes) -> None:
    """However it comes (2.6), and one at a time (2.10, 2.11)."""
    assert Echo().send(frame(PING, payload), closing(1000)).said == [Said(PONG, payload), NORMAL]
    many = frame(PING, payload) * 10
    assert Echo().send(*octets(many), closing(1000)).said == [Said(PONG, payload)] * 10 + [NORMAL]


async def test_2_5_a_ping_that_is_too_long_fails() -> None:
    _fails(Echo().send(frame(PING, b"\xfe" * 126)), 1002)


@pytest.mark.parametrize("payload", [b"", b"unsolicited pong payload"], ids=["2.7", "2.8"])
async def test_2_a_pong_is_passed_over(payload: bytes) -> None:
    echo = Echo().send(frame(PONG, payload), frame(PING, b"2.9"), closing(1000))
    assert echo.said == [Said(PONG, b"2.9"), NORMAL]


@pytest.mark.parametrize("rsv", range(1, 8), ids=lambda rsv: f"3.{rsv}")
@pytest.mark.parametrize("opcode", [TEXT, BINARY, PING, CLOSE], ids=lambda opcode: opcode.name)
async def test_3_reserved_bits_fail(rsv: int, opcode: Opcode) -> None:
    """Also where a compressed message would have one: nothing of that kind was agreed on."""
    hello = Said(TEXT, b"Hello")
    for pieces in ([bad := frame(opcode, b"\x03\xe8", rsv=rsv) + frame(PING)], octets(bad)):
        _fails(Echo().send(frame(TEXT, b"Hello"), *pieces), 1002, after=[hello])


@pytest.mark.parametrize("opcode", [3, 4, 5, 6, 7, 11, 12, 13, 14, 15], ids=lambda opcode: f"4: {opcode}")
async def test_4_unknown_opcodes_fail(opcode: int) -> None:
    hello = Said(TEXT, b"Hello")
    for payload in (b"", b"reserved opcode payload"):
        _fails(Echo().send(frame(TEXT, b"Hello"), frame(opcode, payload), frame(PING)), 1002, after=[hello])


@pytest.mark.parametrize("opcode", [PING, PONG, CLOSE], ids=["5.1", "5.2", "close"])
async def test_5_a_control_frame_in_fragments_fails(opcode: Opcode) -> None:
    _fails(Echo().send(frame(opcode, b"fragment1", fin=False), frame(CONT, b"fragment2")), 1002)


async def test_5_a_message_in_fragments_is_one() -> None:
    """5.3-5.8, 5.19: in any pieces, with pings between them, whose answers do not wait."""
    parts = [frame(TEXT, b"fragment1", fin=False), frame(CONT, b"", fin=False), frame(CONT, b"fragment2")]
    whole = Said(TEXT, b"fragment1fragment2")
    assert Echo().send(*parts, closing(1000)).said == [whole, NORMAL]
    assert Echo().send(b"".join(parts), closing(1000)).said == [whole, NORMAL]
    assert Echo().send(*octets(b"".join(parts)), closing(1000)).said == [whole, NORMAL]
    first, *rest = parts
    with_pings = Echo().send(first, frame(PING, b"a"), *rest[:1], frame(PING, b"b"), *rest[1:])
    assert with_pings.said == [Said(PONG, b"a"), Said(PONG, b"b"), whole]


@pytest.mark.parametrize("fin", [True, False], ids=["5.9-5.11", "5.12-5.14"])
async def test_5_a_continuation_of_nothing_fails(fin: bool) -> None:
    """At the beginning, and behind a message that was whole (5.15)."""
    bad = frame(CONT, b"non-continuation payload", fin=fin) + frame(TEXT, b"Hello")
    _fails(Echo().send(bad), 1002)
    _fails(Echo().send(*octets(bad)), 1002)
    before = [frame(TEXT, b"fragment1", fin=False), frame(CONT, b"fragment2")]
    _fails(Echo().send(*before, bad), 1002, after=[Said(TEXT, b"fragment1fragment2")])


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_5_a_message_within_a_message_fails(opcode: Opcode) -> None:
    """5.16-5.18."""
    _fails(Echo().send(frame(TEXT, b"fragment1", fin=False), frame(opcode, b"fragment2")), 1002)


GOOD_UTF_8 = {
    "6.1 empty": b"",
    "6.2": "Hello-µ@ßöäüàá-UTF-8!!".encode(),
    "6.5": KUHN.encode(),
    "6.6 one byte": b"\x00\x7f",
    "6.7": b"\xc2\x80\xdf\xbf",
    "6.9": b"\xe0\xa0\x80\xef\xbf\xbf",
    "6.11": b"\xf0\x90\x80\x80\xf4\x8f\xbf\xbf",
    "6.12": b"\xed\x9f\xbf\xee\x80\x80\xef\xbf\xbd",
    "6.22 no characters": b"\xef\xbf\xbe\xf0\x9f\xbf\xbf\xf4\x8f\xbf\xbf",
    "6.23 replaced": b"\xef\xbf\xbd",
}
BAD_UTF_8 = {
    "6.3": KUHN.encode() + b"\xed\xa0\x80edited",
    "6.4": KUHN.encode() + b"\xf4\x90\x80\x80edited",
    "6.6 cut short": KUHN.encode()[:-1],
    "6.8 five bytes": b"\xf8\x88\x80\x80\x80",
    "6.10 six bytes": b"\xfc\x84\x80\x80\x80\x80",
    "6.11 beyond": b"\xf4\x90\x80\x80",
    "6.13 alone": b"\x80",
    "6.14 continuations": bytes(range(0x80, 0xC0)),
    "6.15 starts": b"".join(bytes([one, 0x20]) for one in range(0xC0, 0xE0)),
    "6.16 last missing": b"\xe0\x80",
    "6.18 impossible": b"\xfe\xfe\xff\xff",
    "6.19 overlong": b"\xc0\xaf",
    "6.19 overlong, longer": b"\xe0\x80\xaf",
    "6.20 overlong NUL": b"\xf0\x80\x80\x80",
    "6.21 a surrogate": b"\xed\xa0\x80",
    "6.21 two surrogates": b"\xed\xa0\x80\xed\xb0\x80",
}


@pytest.mark.parametrize("text", GOOD_UTF_8.values(), ids=GOOD_UTF_8)
async def test_6_text_is_echoed_wherever_it_is_cut(text: bytes) -> None:
    """A character may be cut by a fragment, and by a segment."""
    assert Echo().send(frame(TEXT, text)).said == [Said(TEXT, text)]
    fragments = [frame(TEXT, b"", fin=False), *(frame(CONT, one, fin=False) for one in octets(text)), frame(CONT)]
    assert Echo().send(*fragments).said == [Said(TEXT, text)]
    assert Echo().send(*octets(b"".join(fragments))).said == [Said(TEXT, text)]


@pytest.mark.parametrize("text", BAD_UTF_8.values(), ids=BAD_UTF_8)
async def test_6_what_is_no_text_fails_with_1007(text: bytes) -> None:
    """As bytes it is echoed."""
    _fails(Echo().send(frame(TEXT, text), frame(PING)), 1007)
    fragments = [frame(TEXT, b"", fin=False), *(frame(CONT, one, fin=False) for one in octets(text)), frame(CONT)]
    _fails(Echo().send(*fragments), 1007)
    assert Echo().send(frame(BINARY, text)).said == [Said(BINARY, text)]


async def test_6_4_it_fails_at_the_first_byte_that_can_be_no_text() -> None:
    """Neither the end of the message nor that of the frame is waited for."""
    echo = Echo().send(frame(TEXT, KUHN.encode(), fin=False), frame(CONT, b"\xf4\x90", fin=False))
    _fails(echo, 1007)
    whole = frame(TEXT, KUHN.encode() + b"\xf4\x90\x80\x80edited")
    _fails(Echo().send(whole[: -len("edited") - 2]), 1007)


async def test_7_1_nothing_is_said_behind_a_close() -> None:
    """7.1.2-7.1.6: whatever the client goes on to send."""
    for behind in (closing(1000), frame(PING), frame(TEXT, b"Hello"), frame(TEXT, b"x" * 262_144)):
        echo = Echo().send(closing(1000), behind)
        assert echo.said == [NORMAL]
        assert echo.transport.closed.is_set()
        assert Echo().send(closing(1000) + behind).said == [NORMAL]
    assert Echo().send(frame(TEXT, b"fragment1", fin=False), closing(1000), frame(CONT)).said == [NORMAL]


@pytest.mark.parametrize("reason", [b"", b"Hello World!", b"*" * 123], ids=["7.3.3", "7.3.4", "7.3.5"])
async def test_7_3_a_close_is_answered_with_its_code(reason: bytes) -> None:
    assert Echo().send(closing(1000, reason)).said == [NORMAL]


async def test_7_3_a_close_that_is_none_fails() -> None:
    """None at all is good (7.3.1); one byte is not (7.3.2), nor 124 of a reason (7.3.6), nor no text (7.5.1)."""
    assert Echo().send(frame(CLOSE)).said == [Said(CLOSE, b"")]
    _fails(Echo().send(frame(CLOSE, b"a")), 1002)
    _fails(Echo().send(closing(1000, b"*" * 124)), 1002)
    _fails(Echo().send(closing(1000, KUHN.encode() + b"\xed\xa0\x80")), 1007)


@pytest.mark.parametrize("code", [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3999, 4000, 4999])
async def test_7_7_good_codes_are_answered(code: int) -> None:
    assert Echo().send(closing(code)).close_code == code


@pytest.mark.parametrize("code", [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535])
async def test_7_9_bad_codes_fail(code: int) -> None:
    """7.9, 7.13."""
    _fails(Echo().send(closing(code)), 1002)


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
async def test_9_large_messages_in_whatever_pieces(opcode: Opcode) -> None:
    """9.1-9.6: a megabyte, as one frame, in fragments of many sizes, chopped."""
    payload = bytes(range(32, 126)) * (1_048_576 // 94)
    assert Echo().send(frame(opcode, payload)).said == [Said(opcode, payload)]
    for size in (1300, 65_536):
        first, *rest = octets(payload, size)
        parts = [frame(opcode, first, fin=False), *(frame(CONT, one, fin=False) for one in rest), frame(CONT)]
        assert Echo().send(*parts).said == [Said(opcode, payload)]
    assert Echo().send(*octets(frame(opcode, payload), 1024)).said == [Said(opcode, payload)]


async def test_9_7_a_thousand_messages_in_one_segment() -> None:
    echo = Echo().send(b"".join(frame(TEXT, b"*" * (n % 130)) for n in range(1000)))
    assert echo.said == [Said(TEXT, b"*" * (n % 130)) for n in range(1000)]


async def test_frames_that_are_not_masked_or_too_long_in_length_fail() -> None:
    """RFC 6455, 5.1 and 5.2: a length takes as few bytes as it can, and its first bit is not set."""
    _fails(Echo().send(frame(TEXT, b"Hello", masked=False)), 1002)
    for length in (b"\xfe\x00\x05", b"\xff\x00\x00\x00\x00\x00\x00\x00\x05", b"\xff\x80\x00\x00\x00\x00\x00\x00\x00"):
        _fails(Echo().send(b"\x81" + length + b"\0\0\0\0Hello"), 1002)


async def test_a_message_is_refused_when_its_length_is_announced() -> None:
    """1009 with the head of the frame, before its first byte is there; nor do fragments add up to more."""
    limit = door_websocket.MAX_MESSAGE_BYTES
    for head in (frame(TEXT, b"x" * limit)[:14], frame(BINARY, b"x" * limit)[:14]):
        assert Echo().send(head).said == []
        over = head[:2] + (limit + 1).to_bytes(8, "big") + head[10:]
        _fails(Echo().send(over), 1009)
        _fails(Echo().send(*octets(over)), 1009)
    half = b"x" * (limit // 2)
    echo = Echo().send(frame(TEXT, half, fin=False), frame(CONT, half, fin=False), frame(PING), frame(CONT, b""))
    assert echo.said[1] == Said(TEXT, half + half)
    echo = Echo().send(frame(TEXT, half, fin=False), frame(CONT, half, fin=False), frame(PING))
    _fails(echo.send(frame(CONT, b"x")[:6]), 1009, after=[Said(PONG, b"")])


def test_a_reader_is_idle_when_nothing_is_half_read() -> None:
    """Then it may be let go: at every byte of two messages, the second in fragments, with a ping between them."""
    sent = [frame(TEXT, b"x" * 200), frame(PING, b"y"), frame(BINARY, b"", fin=False), frame(PING), frame(CONT, b"zz")]
    ends = {sum(map(len, sent[:count])) for count in (0, 1, 2, 5)}
    data = b"".join(sent)
    for cut in range(len(data) + 1):
        reader = MessageReader(max_bytes=1000, allow=lambda: True)
        came = list(reader.feed(data[:cut]))
        assert reader.idle is (cut in ends), cut
        came += list((MessageReader(max_bytes=1000, allow=lambda: True) if reader.idle else reader).feed(data[cut:]))
        assert [one for one in came if isinstance(one, Message)] == [Message(b"x" * 200, True), Message(b"zz", False)]


@pytest.mark.parametrize("size", [0, 125, 126, 65_535, 65_536])
def test_our_text_is_a_whole_frame(size: int) -> None:
    assert list(frames(text_frame(b"x" * size))) == [Said(TEXT, b"x" * size)]
