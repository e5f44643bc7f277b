"""`python -m tests.comparison.posting`: what `POST /notifications` costs, beside bare Hypercorn.

The service is on Postgres; the bare server runs Hypercorn with an app that reads the body and answers 201. Both are one
process, asked in turn, several rounds; the median counts. The processor time of the server says more than the rate
where something else runs on the machine.
"""

import asyncio
import os
import shutil
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import click
import httpx
import msgspec
import uvloop

from tests.comparison.bare_hypercorn import serve_app
from tests.support.service import Service
from tests.support.services import Process, free_port, private_directory, start_postgres
from tests.support.services.processes import spawn

ANSWER: Final = b'{"notification_id":"0123456789abcdef0123456789abcdef","cursor":"k3f9a1.4711","outcome":"new"}'
DOCUMENT: Final[dict[str, Any]] = {
    "recipient_id": "alice",
    "notification_type": "new_message",
    "payload": {"text": "x" * 100},
}
RECIPIENTS: Final = 1000
START_S: Final = 20.0


class Shape(msgspec.Struct, frozen=True):
    """One way of publishing."""

    name: str
    connections: int
    batch: int


SHAPES: Final = (
    Shape("one each, 8 connections", 8, 1),
    Shape("one each, 64", 64, 1),
    Shape("arrays of 100, 8", 8, 100),
)


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """Read the body, answer 201."""
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(ANSWER))]
    await send({"type": "http.response.start", "status": 201, "headers": headers})
    await send({"type": "http.response.body", "body": ANSWER})


class Posting(asyncio.Protocol):
    """One keep-alive connection with one request under way, over and over, until `ends`."""

    def __init__(self, request: Callable[[], bytes], ends: float) -> None:
        self.answered = 0
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._request = request
        self._ends = ends
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's does not inherit from it
        self._transport.write(self._request())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, end, rest = self._buffer.partition(b"\r\n\r\n")
        if not end:
            return
        lower = head.lower()
        at = lower.index(b"content-length:") + 15
        if len(rest) < int(lower[at:].split(b"\r\n", 1)[0]):
            return
        assert lower[9:12] in (b"201", b"200"), self._buffer
        self._buffer = b""
        self.answered += 1
        if time.perf_counter() < self._ends:
            self._transport.write(self._request())
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.done.done():
            self.done.set_result(None)


async def rate(port: int, token: str, shape: Shape, *, pid: int, seconds: float) -> tuple[float, float]:
    """Notifications a second, and microseconds of the server's processor time for one."""
    numbers = iter(range(10**9))

    def request() -> bytes:
        def one() -> dict[str, Any]:
            return DOCUMENT | {"recipient_id": f"r{next(numbers) % RECIPIENTS}"}

        body = msgspec.json.encode(one() if shape.batch == 1 else [one() for _ in range(shape.batch)])
        return (
            b"POST /notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
            b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b" % (token.encode(), len(body), body)
        )

    loop, began, cpu_before = asyncio.get_running_loop(), time.perf_counter(), cpu_s(pid)
    made = [
        (await loop.create_connection(lambda: Posting(request, began + seconds), "127.0.0.1", port))[1]
        for _ in range(shape.connections)
    ]
    await asyncio.gather(*(one.done for one in made))
    count = sum(one.answered for one in made) * shape.batch
    return count / (time.perf_counter() - began), (cpu_s(pid) - cpu_before) / count * 1e6


def cpu_s(pid: int) -> float:
    """The processor time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def start_bare(directory: Path) -> tuple[int, Process]:
    """The bare server, as a process; returns once it answers."""
    port = free_port()
    command = [sys.executable, "-m", "tests.comparison.posting", "--serve-bare", str(port)]
    process = spawn(command, log=directory / "bare.log", env=dict(os.environ), cwd=Path.cwd())
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            httpx.get(f"http://127.0.0.1:{port}/")
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return port, process
    raise TimeoutError("the bare server does not answer")


@click.command()
@click.option("--seconds", default=5.0, show_default=True, help="Of each round.")
@click.option("--rounds", default=3, show_default=True, help="How often.")
@click.option("--serve-bare", type=int, hidden=True)
def main(*, seconds: float, rounds: int, serve_bare: int | None) -> None:
    """Measure publishing over HTTP on a private Postgres."""
    if serve_bare:
        uvloop.run(serve_app(bare, serve_bare))
        return
    directory = Path(private_directory())
    database = start_postgres(directory)
    try:
        service = Service(directory / "service", database_url=database.create_database())
        port, process = start_bare(directory)
        try:
            service.start()
            token = service.token("publisher", scope="notifications:publish")
            assert service.process
            targets = {"notify-sse": (service.port, service.process.pid), "bare Hypercorn": (port, process.pid)}
            for shape in SHAPES:
                found: dict[str, list[tuple[float, float]]] = {name: [] for name in targets}
                for _ in range(rounds):
                    for name, (at, pid) in targets.items():
                        found[name].append(uvloop.run(rate(at, token, shape, pid=pid, seconds=seconds)))
                for name, measured in found.items():
                    rates, cpu_us = (statistics.median(column) for column in zip(*measured, strict=True))
                    click.echo(f"{shape.name:24} {name:16} {rates:8.0f} a second {cpu_us:8.1f} µs each")
        finally:
            service.kill()
            process.kill()
    finally:
        database.stop()
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
