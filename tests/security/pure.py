"""The parsers in this process: every input is either taken or refused by name, and soon."""

import time
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from random import Random
from typing import Any, Final

import msgspec

from notify_sse.auth import Verifier
from notify_sse.config import read_settings
from notify_sse.core.batch import faults_of_batch, is_batch, split_batch
from notify_sse.core.cursor import parse_cursor
from notify_sse.core.frames import encode_frames, frame
from notify_sse.core.media import JSON, MSGPACK, Kind
from notify_sse.core.model import Event
from notify_sse.core.parse import parse
from notify_sse.errors import BadNotification, Unauthorized
from tests.security import inputs
from tests.support.event_stream import EventStreamParser
from tests.support.tokens import SECRET
from tests.support.tokens import token as good_token

MAX_BYTES: Final = 16_384
MAX_ITEMS: Final = 500
HANG_S: Final = 0.1
"""No input may take longer; an attempt is repeated once, since the machine may stand still."""


class Slow(AssertionError):
    """An input that took over `HANG_S`."""


class Ran(msgspec.Struct, frozen=True):
    """How attempts ended, and how long the longest took, in seconds of this thread's work."""

    ends: Counter[str]
    longest_s: float


def run(attempt: Callable[[Random], str], *, count: int, seed: int) -> Ran:
    """`count` attempts. An exception names the seed of the input that raised it."""
    ends: Counter[str] = Counter()
    longest_s = 0.0
    for number in range(seed, seed + count):
        took = _took(attempt, number, ends)
        if took > HANG_S and (took := _took(attempt, number, Counter())) > HANG_S:
            raise Slow(f"seed {number}: {took:.3f} s")
        longest_s = max(longest_s, took)
    return Ran(ends, longest_s)


def _took(attempt: Callable[[Random], str], seed: int, ends: Counter[str]) -> float:
    random = Random(seed)
    began = time.thread_time()
    try:
        ends[attempt(random)] += 1
    except Exception as exc:
        exc.add_note(f"seed {seed}")
        raise
    return time.thread_time() - began


def body(random: Random) -> str:
    """One body of a publish, JSON or MessagePack, alone or an array: what the doors do with it."""
    kind: Kind = random.choice((JSON, JSON, MSGPACK))
    raw = inputs.json_body(random) if kind == JSON else inputs.msgpack_body(random)
    try:
        items: list[bytes | msgspec.Raw] = []
        if is_batch(raw, kind):
            for some in split_batch(raw, kind, max_items=MAX_ITEMS, max_bytes=MAX_BYTES):
                if some is None:
                    (fault,) = filter(None, faults_of_batch(raw, kind, max_items=MAX_ITEMS))
                    return fault[1] if all(fault) else "nameless"
                items += some
        else:
            items = [raw]
        for item in items:
            made = parse(
                bytes(item), max_bytes=MAX_BYTES, now=datetime.now(UTC), new_id=lambda: "new", content_type=kind
            )
            assert msgspec.json.decode(made.body)
            assert b"\n" not in made.body
    except BadNotification as exc:
        return exc.reason if exc.field and exc.detail else "nameless"
    return "taken"


def cursor(random: Random) -> str:
    """One text in the place of a cursor: what is taken is written back as it came."""
    text = inputs.cursor(random, "epoch")
    found = parse_cursor(text)
    assert found is None or str(found) == text
    return "taken" if found else "refused"


def token() -> Callable[[Random], str]:
    """One changed token: never taken, unless it is the same token in another spelling of base64."""
    verifier = Verifier(read_settings({"HOME": "/nonexistent"}, jwt_secret=SECRET), clock=lambda: 1_800_000_000.0)
    sample = good_token()
    verifier.verify(sample)

    def attempt(random: Random) -> str:
        made = inputs.token(random, sample)
        try:
            grant = verifier.verify(made)
        except Unauthorized:
            return "refused"
        assert _canonical(made) == _canonical(sample), made
        assert grant.subject == "alice"
        return "taken"

    return attempt


def _canonical(token: str) -> list[bytes]:
    import base64

    return [base64.urlsafe_b64decode(part + "==") for part in token.encode("latin-1").decode().split(".")]


def stream(random: Random) -> str:
    """A piece of a stream, read in odd pieces by a parser that is not ours: the same events come out."""
    events: list[dict[str, Any]] = []
    frames = []
    for number in range(1, random.randrange(2, 20)):
        payload = {"n": number, "text": random.choice(inputs.NASTY).encode(errors="replace").decode()}
        events.append(payload)
        frames.append(
            frame(
                Event(
                    id=number,
                    channel="recipient:a",
                    type=random.choice(("note", "reset", "open")),
                    expires_ms=0,
                    body=msgspec.json.encode(payload),
                ),
                "epoch",
            )
        )
    raw = encode_frames(frames, event_names=random.random() < 0.5)
    parser, messages, at = EventStreamParser(), [], 0
    while at < len(raw):
        size = random.randrange(1, 200)
        messages += parser.feed(raw[at : at + size])
        at += size
    assert [one.json() for one in messages] == events
    assert [one.id for one in messages] == [f"epoch.{number}" for number in range(1, len(events) + 1)]
    assert len(raw.splitlines()) == len(raw.decode().splitlines()), "a line end that only some readers know"
    return "equal"
