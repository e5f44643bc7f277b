"""A TCP proxy that loses, holds, delays and throttles what passes through it, on demand and per link.

Runs as a process of its own (`python -m tests.fault.proxy`), so that its work is not in the way of the clients that it
carries. The first line on standard input names the links, each further line is a command; each is answered by a line.
It ends when its standard input does, so it never outlives whoever started it. Knows nothing of what it carries.
"""

import asyncio
import json
import socket
import struct
import sys
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any, Final, Literal, cast

import uvloop

from tests.fault.pieces import Pacing

Direction = Literal["up", "down"]
DIRECTIONS: Final[tuple[Direction, Direction]] = ("up", "down")
"""Up is from the client to the server."""
AT_ONCE: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: closing sends RST and forgets what was not sent."""


class Link:
    """Carries every connection made to `port` on to `target_port`, as its state says."""

    def __init__(self, name: str, *, port: int, target_port: int) -> None:
        self.name = name
        self.port = port
        self.target_port = target_port
        self.pairs: set[Pair] = set()
        self.state: dict[Direction, Literal["flow", "hold", "drop"]] = {"up": "flow", "down": "flow"}
        self.delay_s = 0.0
        self.bytes_per_s = 0.0

    async def listen(self) -> None:
        await asyncio.get_running_loop().create_server(
            lambda: Half(Pair(self), "up"), "127.0.0.1", self.port, backlog=4096
        )

    def reset(self, *, share: float = 1.0, seed: int = 0) -> int:
        """RST both sides of that share of the connections; returns how many."""
        hit = sorted(self.pairs, key=lambda pair: pair.number)
        hit = Random(seed).sample(hit, k=max(1, round(len(hit) * share))) if hit else []
        for pair in hit:
            pair.reset()
        return len(hit)

    def block(self, directions: list[Direction], *, how: Literal["hold", "drop"]) -> int:
        """Let nothing pass that way: `hold` keeps it for later, `drop` loses it (and the connections with it, in the
        end). Connections that are closed meanwhile stay open at the other side, as over a dead network.
        """
        for direction in directions:
            self.state[direction] = how
        return len(self.pairs)

    def flow(self) -> int:
        """Carry everything again. Connections that lost something are reset: what they carried has holes."""
        self.state = {"up": "flow", "down": "flow"}
        self.delay_s = self.bytes_per_s = 0.0
        for pair in list(self.pairs):
            if pair.lossy:
                pair.reset()
            else:
                pair.release()
        return len(self.pairs)

    def slow(self, *, delay_s: float = 0.0, bytes_per_s: float = 0.0) -> int:
        """Delay every piece, or let only so much pass in a second and direction of a connection."""
        self.delay_s, self.bytes_per_s = delay_s, bytes_per_s
        return len(self.pairs)


class Pair:
    """One connection of a client, and ours to the server for it."""

    count = 0

    def __init__(self, link: Link) -> None:
        Pair.count += 1
        self.number = Pair.count
        self.link = link
        self.lossy = False
        self.halves: dict[Direction, Half] = {}
        self._connecting: asyncio.Task[None] | None = None

    def begin(self, client: "Half") -> None:
        self.halves["up"] = client
        self.link.pairs.add(self)
        self._connect()

    def _connect(self) -> None:
        """A SYN passes as little as anything else."""
        if self._connecting is None and self.link.state["up"] == "flow":
            self._connecting = asyncio.get_running_loop().create_task(self._open())
        elif self.link.state["up"] == "drop":
            self.lossy = True

    async def _open(self) -> None:
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: Half(self, "down"), "127.0.0.1", self.link.target_port
            )
        except OSError:
            self.reset()
            return
        if self not in self.link.pairs:
            self.reset()

    def release(self) -> None:
        self._connect()
        for half in list(self.halves.values()):
            half.pump()

    def reset(self) -> None:
        self.link.pairs.discard(self)
        for half in list(self.halves.values()):
            half.abort()


class Half(asyncio.Protocol):
    """One side of a pair: what it receives goes in its direction to the other side."""

    def __init__(self, pair: Pair, direction: Direction) -> None:
        self._pair = pair
        self._direction = direction
        self._transport: asyncio.Transport | None = None
        self._pacing = Pacing()
        self._queue: deque[tuple[float, bytes]] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._ended = False
        self._full = False

    @property
    def other(self) -> "Half | None":
        return self._pair.halves.get("down" if self._direction == "up" else "up")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        sock = transport.get_extra_info("socket")
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._direction == "up":
            self._pair.begin(self)
        else:
            self._pair.halves["down"] = self
            self._pair.release()

    def data_received(self, data: bytes) -> None:
        link = self._pair.link
        if link.state[self._direction] == "drop":
            self._pair.lossy = True
            return
        now = asyncio.get_running_loop().time()
        due = self._pacing.due(now, len(data), delay_s=link.delay_s, bytes_per_s=link.bytes_per_s)
        self._queue.append((due, data))
        self.pump()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        if exc is not None and self._pair.link.state[self._direction] == "flow":
            self._pair.reset()
        else:
            self.pump()

    def pump(self) -> None:
        """Pass on what is due, if the link lets it."""
        state = self._pair.link.state[self._direction]
        other = self.other
        if state == "drop":
            self._pair.lossy = self._pair.lossy or bool(self._queue) or self._ended
            self._queue.clear()
            return
        now = asyncio.get_running_loop().time()
        if other and other._ended:
            self._queue.clear()  # nobody is left to take it
        elif state == "flow" and other and other._transport:
            while self._queue and self._queue[0][0] <= now and not other._full:
                other._transport.write(self._queue.popleft()[1])
            if self._ended and not self._queue:
                other._transport.close()
                self._pair.link.pairs.discard(self._pair)
        self._regulate()
        if self._queue and self._queue[0][0] > now and self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(self._queue[0][0] + 0.001, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        self.pump()

    def _regulate(self) -> None:
        """Read no more from the source than waits to be passed on, as a router's buffer is bounded."""
        if self._transport is None or self._ended:
            return
        if sum(len(data) for _, data in self._queue) > 65_536:
            self._transport.pause_reading()
        else:
            with suppress(RuntimeError):
                self._transport.resume_reading()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        if self.other:
            self.other.pump()

    def abort(self) -> None:
        if self._timer:
            self._timer.cancel()
        if self._transport and not self._ended:
            with suppress(OSError, ValueError):
                self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
            self._transport.abort()
            self._ended = True


def obey(links: dict[str, Link], command: dict[str, Any]) -> int:
    """Carry out one command; how many connections it met."""
    link, do = links[command.pop("link")], command.pop("do")
    actions: dict[str, Callable[..., int]] = {
        "reset": link.reset,
        "block": link.block,
        "flow": link.flow,
        "slow": link.slow,
    }
    if do == "count":
        return len(link.pairs)
    return actions[do](**command)


async def main() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    wanted = json.loads(await reader.readline())
    links = {name: Link(name, port=port, target_port=target) for name, (port, target) in wanted.items()}
    for link in links.values():
        await link.listen()
    print("ready", flush=True)
    while line := await reader.readline():
        print(obey(links, json.loads(line)), flush=True)


if __name__ == "__main__":
    uvloop.run(main())
