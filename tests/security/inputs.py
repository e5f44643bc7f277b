"""Input as an attacker or a broken program would send it. Everything is made from a `Random`, so a seed names it."""

from collections.abc import Callable
from random import Random
from typing import Any, Final
from urllib.parse import quote

import msgspec

NASTY: Final = (
    "",
    "\0",
    "\ud800",
    "a\r\nid: 1\r\n\r\ndata: x",
    "\u2028\u2029\x85",
    "\ufeff",
    "é" * 150,
    "#.*",
    "../../etc",
    "' OR 1=1 --",
    "\x7f\x1b[2J",
    "🙂" * 40,
    "a" * 300,
)
NUMBERS: Final = (0, -1, 2**53 + 1, 2**63, -(2**63) - 1, 10**40, 1e308, 1e-320, float("nan"), float("inf"), True, None)
FIELDS: Final = ("notification_id", "notification_type", "recipient_id", "topic", "timestamp", "payload", "expires_at")


def good(random: Random) -> dict[str, Any]:
    """A notification that is taken."""
    return {
        "notification_type": "note",
        "recipient_id": f"fuzz-{random.randrange(50)}",
        "payload": {"n": random.randrange(1000), "text": random.choice(("", "x" * 50, "ä€🙂"))},
    }


def value(random: Random, depth: int = 0) -> Any:
    """Any JSON value, deep now and then."""
    kind = random.randrange(8 if depth < 40 else 4)
    if kind < 2:
        return random.choice(NASTY)
    if kind < 4:
        return random.choice(NUMBERS)
    if kind < 6:
        return [value(random, depth + 1) for _ in range(random.randrange(4))]
    return {random.choice((*NASTY, *FIELDS)): value(random, depth + 1) for _ in range(random.randrange(4))}


def document(random: Random) -> Any:
    """A notification with something wrong, or anything else."""
    roll = random.random()
    if roll < 0.1:
        return value(random)
    made: dict[str, Any] = good(random)
    for _ in range(random.randrange(3)):
        made[random.choice((*FIELDS, "surplus"))] = value(random)
    if random.random() < 0.2:
        made.pop(random.choice(tuple(made)))
    return [made] * random.randrange(4) if roll < 0.2 else made


def mutated(random: Random, raw: bytes) -> bytes:
    """`raw` with bytes changed, removed, repeated or added; often not at all."""
    made = bytearray(raw)
    for _ in range(random.choice((0, 0, 1, 1, 2, 5))):
        at = random.randrange(len(made) + 1)
        match random.randrange(4):
            case 0 if made:
                made[at % len(made)] = random.randrange(256)
            case 1:
                del made[at : at + random.randrange(1, 20)]
            case 2:
                made[at:at] = random.randbytes(random.randrange(1, 8))
            case _:
                made[at:at] = made[at : at + random.randrange(1, 30)]
    return bytes(made)


def json_body(random: Random) -> bytes:
    """The body of a publish as JSON, or nearly."""
    text = _json(document(random))
    if random.random() < 0.02:
        text = b"[" * random.randrange(200_000)
    return mutated(random, text)


def msgpack_body(random: Random) -> bytes:
    """The body of a publish as MessagePack, or nearly."""
    try:
        raw = msgspec.msgpack.encode(document(random))
    except (ValueError, OverflowError, UnicodeEncodeError):
        raw = random.randbytes(40)
    return mutated(random, raw)


def _json(made: Any) -> bytes:
    import json

    return json.dumps(made).encode()


def cursor(random: Random, epoch: str) -> str:
    """The text of a cursor: good, of another log, ahead of the log, or nonsense."""
    position = random.choice((0, 1, random.randrange(100), 10**18, 10**62, -1))
    sane = f"{random.choice((epoch, epoch, 'other', 'e' * 64))}.{position}"
    made = random.choice((sane, sane, random.choice(NASTY), f"{epoch}.{random.choice(NASTY)}", "9" * 5000, "."))
    return mutated(random, made.encode(errors="surrogatepass")).decode("latin-1") if random.random() < 0.3 else made


def query(random: Random, epoch: str) -> str:
    """The query of a history, percent-encoded rightly or not."""

    def one() -> str:
        name = random.choice(("after", "before", "limit", "type", "order", "wait", "topics", "last_event_id", "x", ""))
        choices: tuple[Callable[[], str], ...] = (
            lambda: cursor(random, epoch),
            lambda: random.choice(NASTY),
            lambda: str(random.choice(NUMBERS)),
            lambda: random.choice(("asc", "desc", "note", "0", "1", "500", "501", "٣", "1e3", "0x10", "+1")),
        )
        text = random.choice(choices)()
        if name == "wait" and random.random() < 0.9:
            text = "0"
        if random.random() < 0.05:
            return f"{name}={text.encode(errors='replace').decode('latin-1')}".replace(" ", "+")
        return f"{name}={quote(text.encode(errors='surrogatepass'))}"

    return "&".join(one() for _ in range(random.randrange(5)))


def token(random: Random, sample: str) -> str:
    """A good token, changed somewhere: never the same text."""
    header, claims, signature = sample.split(".")
    while True:
        parts = [header, claims, signature]
        at = random.randrange(3)
        changed = mutated(random, parts[at].encode()).decode("latin-1")
        made = ".".join([*parts[:at], changed, *parts[at + 1 :]])
        if made != sample:
            return made


def request(random: Random, token: str) -> bytes:
    """The bytes of an HTTP/1.1 request, or nearly; of any path that there is."""
    body = json_body(random)[:2000]
    target = random.choice(
        (
            "/notifications/stream",
            "/notifications/ws",
            "/notifications/history",
            "/notifications",
            "/notifications/session",
            "/healthz",
            "/readyz",
            "/metrics",
            "/openapi.json",
            "/client/index.js",
            "/%2e%2e/%00",
            "*",
            "http://other/notifications",
        )
    )
    lines = [
        f"{random.choice(('GET', 'POST', 'PUT', 'DELETE', 'HEAD', 'OPTIONS', 'PRI', 'get'))} {target} HTTP/1.1",
        "Host: x",
        f"Authorization: Bearer {token}",
        random.choice(("Content-Type: application/json", "Content-Type: \t;;charset", "Accept: text/event-stream")),
        random.choice(("X: y", "Cookie: notify_sse_session=a; notify_sse_session=b", "Expect: 100-continue", ":")),
        random.choice(("Connection: close", "Upgrade: h2c", "Upgrade: websocket", "Transfer-Encoding: chunked")),
        random.choice((f"Content-Length: {len(body)}", "Content-Length: -1", "Content-Length: 99999999999", "Z: z")),
    ]
    return mutated(random, "\r\n".join(lines).encode(errors="replace") + b"\r\n\r\n" + body)


HANDSHAKE: Final = (
    "GET /notifications/ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer {}\r\n\r\n"
)


def websocket(random: Random, token: str) -> bytes:
    """A handshake, right or nearly, and frames behind it, right or nearly."""
    head = HANDSHAKE.format(token).encode()
    frames = b"".join(_websocket_frame(random) for _ in range(random.randrange(6)))
    return (mutated(random, head) if random.random() < 0.2 else head) + mutated(random, frames)


def _websocket_frame(random: Random) -> bytes:
    """One frame of RFC 6455, section 5.2: any opcode, any reserved bit, masked or not, of a length that may lie."""
    opcode = random.choice((0, 1, 1, 1, 2, 8, 9, 9, 10, 3, 15))
    first = (random.random() < 0.8) << 7 | (random.random() < 0.05) << 6 | opcode
    payload = random.choice((b"", b"{}", b'{"token": 1}', b"\xff\xfe", random.randbytes(126), b"x" * 70_000))
    said = len(payload) if random.random() < 0.9 else random.choice((0, 5, 2**16, 2**31, 2**63))
    mask, masked = random.randbytes(4), random.random() < 0.9
    size = (
        bytes([masked << 7 | said])
        if said < 126
        else bytes([masked << 7 | 126]) + said.to_bytes(2, "big")
        if said < 65_536
        else bytes([masked << 7 | 127]) + said.to_bytes(8, "big")
    )
    body = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload[:2000])) + payload[2000:]
    return bytes([first]) + size + (mask if masked else b"") + body
