"""`python -m tests.deploy.first_byte`: how long until the first byte of a notification is at a client.

One that reads directly, and through nginx, Caddy and HAProxy, each on its file in deploy/. It is counted from the
publish, so that the commit is in it; and from the 201, with which the publisher hears of the commit from the gateway.
"""

import argparse
import asyncio
import json
import shutil
import ssl
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import uvloop

from tests.deploy.proxies import Caddy, HAProxy, Nginx, Proxy
from tests.support.api import PUBLISH, STREAM, notification
from tests.support.service import Service
from tests.support.services import ensure, private_directory

PROXIES: Mapping[str, type[Proxy]] = {"nginx": Nginx, "caddy": Caddy, "haproxy": HAProxy}
READ_BYTES = 65_536
WITHIN_S = 0.020
"""How long 95 of 100 first bytes may take from the commit."""
WARM_UP = 20
"""Of the first ones nothing is counted: connections are opened, caches filled."""


class Took(NamedTuple):
    """Seconds until the first byte of one notification was there. Below 0: before the publisher was answered."""

    since_published: float
    since_committed: float


async def measured(service: Service, url: str, *, count: int, per_s: float) -> list[Took]:
    """`count` notifications, published straight at `service`, as a stream from `url` gets them."""
    reader, writer = await _connect(url)
    writer.write(_request("GET", STREAM, token=service.token("alice"), accept="text/event-stream"))
    while b"event: connected" not in await reader.read(READ_BYTES):
        pass
    answers, publisher = await _connect(service.url)
    token = service.token("shop", scope=PUBLISH)
    took: list[Took] = []
    for number in range(WARM_UP + count):
        name = f"measured-{number}"
        body = json.dumps(notification("alice", payload={"name": name})).encode()
        arriving, answered = asyncio.create_task(_arrival(reader, name)), asyncio.create_task(_answered(answers))
        began = time.perf_counter()
        publisher.write(_request("POST", "/notifications", token=token, length=str(len(body))) + body)
        took.append(Took(await arriving - began, await arriving - await answered))
        await asyncio.sleep(max(0.0, began + 1 / per_s - time.perf_counter()))
    publisher.close()
    writer.close()
    return took[WARM_UP:]


async def _connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(url)
    secure = ssl.create_default_context()
    secure.check_hostname, secure.verify_mode = False, ssl.CERT_NONE
    return await asyncio.open_connection(parts.hostname, parts.port, ssl=secure if parts.scheme == "https" else None)


def _request(method: str, path: str, *, token: str, accept: str = "*/*", length: str = "0") -> bytes:
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        f"Accept: {accept}",
        f"Authorization: Bearer {token}",
        *([f"Content-Type: application/json\r\nContent-Length: {length}"] if method == "POST" else []),
    ]
    return "\r\n".join([*lines, "", ""]).encode()


async def _answered(answers: asyncio.StreamReader) -> float:
    """When the publisher was told that it is stored."""
    answer = await answers.read(READ_BYTES)
    came = time.perf_counter()
    if not answer.startswith(b"HTTP/1.1 201"):
        raise ConnectionError(f"answered {answer[:80]!r}")
    while not answer.endswith(b"}"):
        answer += await answers.read(READ_BYTES)
    return came


async def _arrival(reader: asyncio.StreamReader, name: str) -> float:
    """When the first byte of the notification of that name came: it is alone on the way."""
    read, came = b"", 0.0
    while f'"{name}"'.encode() not in read:
        part = await reader.read(READ_BYTES)
        if not part:
            raise ConnectionError("the stream ended")
        if b"data:" in part and not came:
            came = time.perf_counter()
        read += part
        if b"event: heartbeat" in read and name.encode() not in read:
            read, came = b"", 0.0
    return came


async def run(
    directory: Path,
    names: Sequence[str],
    *,
    count: int,
    per_s: float,
    windows: int = 1,
) -> dict[str, list[Took]]:
    """What was measured directly, and through each proxy of `names`; one after the other, before one gateway. It is
    measured again while p95 is over `WITHIN_S`, `windows` times at most; the best counts.
    """

    async def best(url: str) -> list[Took]:
        found: list[list[Took]] = []
        while len(found) < windows and (not found or p95_s(found[-1]) > WITHIN_S):
            found.append(await measured(service, url, count=count, per_s=per_s))
        return min(found, key=p95_s)

    service = Service(directory / "service", env={"HEARTBEAT_S": "60"})
    await asyncio.to_thread(service.start)
    try:
        found = {"direct": await best(service.url)}
        for name in names:
            proxy = PROXIES[name](directory / name, [service.port] * 2)
            try:
                await asyncio.to_thread(proxy.start)
                found[name] = await best(proxy.url)
            finally:
                proxy.stop()
    finally:
        service.kill()
    return found


def p95_s(took: Sequence[Took]) -> float:
    """From the commit, in s."""
    return sorted(one.since_committed for one in took)[int(len(took) * 0.95)]


def table(found: Mapping[str, Sequence[Took]]) -> str:
    """A line for each way: median and 95th percentile, in ms."""
    lines = ["| way | published, p50 | p95 | committed, p50 | p95 |", "|---|---:|---:|---:|---:|"]
    for name, took in found.items():
        columns = [sorted(column) for column in zip(*took, strict=True)]
        figures = [ordered[int(len(ordered) * part)] * 1000 for ordered in columns for part in (0.5, 0.95)]
        lines.append(f"| {name} | {' | '.join(f'{one:.1f}' for one in figures)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.deploy.first_byte", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="notifications for each way")
    parser.add_argument("--per-s", type=float, default=50.0, help="of them in a second")
    options = parser.parse_args()
    ensure(*PROXIES)
    directory = private_directory()
    try:
        found = uvloop.run(run(directory, tuple(PROXIES), count=options.count, per_s=options.per_s))
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    sys.stdout.write(table(found) + "\n")


if __name__ == "__main__":
    main()
