"""Every attack that is known to us, over and over, from a process of its own.

`python -m tests.security.attacks PORT READ_TOKEN PUBLISH_TOKEN`.

Each attacker works alone, has one valid read token at most, and stops with the process.
"""

import asyncio
import contextlib
import gzip
import os
import sys
from collections.abc import Awaitable, Callable
from random import Random
from typing import Final

import uvloop

from tests.security import inputs
from tests.security.inputs import HANDSHAKE

HOLD_S: Final = 2.0
"""How long an attacker keeps what it has got, before it goes and begins again."""
WORKERS: Final = 6
PACKED: Final = gzip.compress(bytes(60_000_000), 9)[10:-8]
"""Made once: attackers that compute would take the time of healthy clients on the same machine."""
ZEROS: Final = b'{"payload":{"a":[' + b"0," * 7999 + b"0]}}"
MANY: Final = b"[" + b"0," * 4_000_000 + b"0]"
CRUMBS: Final = b"1\r\n0\r\n" * 200_000

Attack = Callable[["Victim", Random], Awaitable[None]]


class Victim:
    """Where, and with which tokens: one that may read, one that may publish."""

    def __init__(self, port: int, reads: str, publishes: str) -> None:
        self.port, self.reads, self.publishes = port, reads, publishes

    async def send(self, *parts: bytes, hold_s: float = HOLD_S, read: bool = False) -> None:
        """Connect, write, wait without reading (or reading all), and drop the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1)
        try:
            for part in parts:
                if writer.transport.is_closing():
                    return  # cut off, as it should be
                writer.write(part)
                await asyncio.sleep(0)
            async with asyncio.timeout(hold_s):
                if read:
                    await reader.read()
                else:
                    await asyncio.sleep(hold_s * 2)
        except (TimeoutError, OSError):
            pass
        finally:
            writer.transport.abort()

    def get(self, target: str, *headers: str, token: str = "") -> bytes:
        """The head of a GET."""
        sent = [f"GET {target} HTTP/1.1", "Host: x", *headers, *([f"Authorization: Bearer {token}"] if token else [])]
        return "\r\n".join(sent).encode() + b"\r\n\r\n"

    def post(self, body: bytes, *headers: str) -> bytes:
        """A publish."""
        sent = [
            "POST /notifications HTTP/1.1",
            "Host: x",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
            f"Authorization: Bearer {self.publishes}",
            *headers,
        ]
        return "\r\n".join(sent).encode() + b"\r\n\r\n" + body

    def post_in_chunks(self) -> bytes:
        """The head of a publish whose body comes in chunks."""
        return self.post(b"", "Transfer-Encoding: chunked").replace(b"Content-Length: 0\r\n", b"")


async def slow_head(victim: Victim, _: Random) -> None:
    """A head that never ends."""
    await victim.send(b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\nX: ", b"a" * 900)


async def silent(victim: Victim, _: Random) -> None:
    """A connection on which nothing is said."""
    await victim.send()


async def http2(victim: Victim, _: Random) -> None:
    """HTTP/2 with prior knowledge."""
    await victim.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9) * 50)


async def many_headers(victim: Victim, _: Random) -> None:
    """A head that makes redaction work hard."""
    await victim.send(victim.get("/", *(f"b{n}://x: y" for n in range(900))), hold_s=0.2)


async def unread_history(victim: Victim, _: Random) -> None:
    """Large answers that nobody reads."""
    await victim.send(victim.get("/notifications/history?limit=500", token=victim.reads))


async def history_scan(victim: Victim, _: Random) -> None:
    """A type that there is not."""
    await victim.send(victim.get("/notifications/history?type=zzz&limit=500", token=victim.reads), hold_s=0.5)


async def stream_unread(victim: Victim, _: Random) -> None:
    """A stream that is not read."""
    await victim.send(victim.get("/notifications/stream", "Accept: text/event-stream", token=victim.reads))


async def upgrade_with_more(victim: Victim, _: Random) -> None:
    """A WebSocket handshake with one further byte."""
    await victim.send(HANDSHAKE.format(victim.reads).encode() + b"\x81", hold_s=0.1)


async def pings(victim: Victim, random: Random) -> None:
    """Pings, and no reading."""
    ping = b"\x89\xfd" + random.randbytes(4) + random.randbytes(125)
    await victim.send(HANDSHAKE.format(victim.reads).encode(), *[ping * 500] * 20)


async def continued(victim: Victim, _: Random) -> None:
    """A message in frames without end."""
    frame = b"\xfe\xff\xff" + bytes(4) + b"x" * 65_535
    await victim.send(HANDSHAKE.format(victim.reads).encode(), b"\x01\x80" + bytes(4), *[b"\x00" + frame[1:]] * 50)


async def inflated(victim: Victim, _: Random) -> None:
    """A frame that would inflate, to whoever takes the offer."""
    offer = HANDSHAKE.format(victim.reads).replace(
        "Upgrade: websocket", "Sec-WebSocket-Extensions: permessage-deflate\r\nUpgrade: websocket"
    )
    size = len(PACKED).to_bytes(8, "big")
    await victim.send(offer.encode(), b"\xc2\xff" + size + bytes(4) + PACKED)


async def zeros(victim: Victim, _: Random) -> None:
    """A batch that is little to send and much to check."""
    await victim.send(victim.post(b"[" + b",".join([ZEROS] * 400) + b"]"), hold_s=3.0, read=True)


async def broken_array(victim: Victim, _: Random) -> None:
    """A large array with its fault at the end."""
    await victim.send(victim.post(b"[" + b",".join([ZEROS] * 400) + b",{]"), hold_s=3.0, read=True)


async def many_items(victim: Victim, _: Random) -> None:
    """An array of millions of items, each of which is nothing."""
    await victim.send(victim.post(MANY), hold_s=3.0, read=True)


async def held_back(victim: Victim, _: Random) -> None:
    """A body whose last byte does not come."""
    await victim.send(victim.post(b"[" + b"0," * 500_000 + b"0]")[:-1])


async def crumbs(victim: Victim, _: Random) -> None:
    """A body in chunks of one byte."""
    await victim.send(victim.post_in_chunks(), CRUMBS, hold_s=3.0, read=True)


async def many_trailers(victim: Victim, _: Random) -> None:
    """Trailers that nobody asked for, behind a body that is nothing."""
    await victim.send(victim.post_in_chunks(), b"1\r\n1\r\n0\r\n", b"a:\r\n" * 16_000 + b"\r\n", hold_s=0.2, read=True)


async def bad_tokens(victim: Victim, random: Random) -> None:
    """A token that was made up."""
    made = victim.get("/notifications/stream", token=inputs.token(random, victim.reads).encode().hex())
    await victim.send(made, hold_s=0.2)


async def noise(victim: Victim, random: Random) -> None:
    """Anything."""
    make = random.choice((inputs.request, inputs.websocket))
    await victim.send(make(random, victim.reads), hold_s=0.2)


ATTACKS: Final[tuple[Attack, ...]] = (
    slow_head,
    silent,
    http2,
    many_headers,
    unread_history,
    history_scan,
    stream_unread,
    upgrade_with_more,
    pings,
    continued,
    inflated,
    zeros,
    broken_array,
    many_items,
    held_back,
    crumbs,
    many_trailers,
    bad_tokens,
    noise,
)


async def attack(victim: Victim) -> None:
    """All of them, each by several attackers, for ever."""

    async def attacker(work: Attack, random: Random) -> None:
        await asyncio.sleep(random.random() * HOLD_S)  # they are many, and no choir
        while True:
            try:
                await work(victim, random)
            except OSError:
                await asyncio.sleep(0.05)  # refused: that is an answer too

    async with asyncio.TaskGroup() as group:
        for number, work in enumerate(ATTACKS):
            for one in range(WORKERS):
                group.create_task(attacker(work, Random(number * WORKERS + one)))


if __name__ == "__main__":
    with contextlib.suppress(AttributeError, OSError):  # Linux has it: they run only when nobody else would
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    uvloop.run(attack(Victim(int(sys.argv[1]), *sys.argv[2:4])))
