"""`python -m tests.security.revocation`: how soon a revocation holds in three gateways, with the broker and without it.

Each of `--count` revocations is timed from its request until every gateway has ended the recipient's stream as
`revoked`; afterwards the token has to be refused by each. Starts and ends its own servers.
"""

import argparse
import asyncio
import shutil
import statistics
import time
from pathlib import Path

import httpx

from tests.support.api import STREAM, bearer
from tests.support.service import Service
from tests.support.services import ensure, private_directory, start_postgres, start_rabbitmq

GATEWAYS = 3
NOBODY = "amqp://guest:guest@127.0.0.1:1"
"""Nobody listens there."""


def main() -> int:
    """1 when one took longer than is promised: 1 s for the 99th of a hundred, 2 s without the broker."""
    parser = argparse.ArgumentParser(prog="python -m tests.security.revocation", description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="how many revocations each way (default 200)")
    options = parser.parse_args()
    ensure("postgres", "rabbitmq")
    directory = private_directory()
    postgres = start_postgres(directory)
    try:
        rabbit = start_rabbitmq(directory)
        try:
            late = [
                asyncio.run(_measured(directory, name, postgres.url, url, options.count)) > promised_s
                for name, url, promised_s in (("up", rabbit.url, 1.0), ("away", NOBODY, 2.0))
            ]
        finally:
            rabbit.discard()
    finally:
        postgres.discard()
        shutil.rmtree(directory, ignore_errors=True)
    return int(any(late))


async def _measured(directory: Path, name: str, database_url: str, broker_url: str, count: int) -> float:
    services = [
        Service(directory / f"{name}-{number}", database_url=database_url, broker_url=broker_url)
        for number in range(GATEWAYS)
    ]
    try:
        for service in services:
            await asyncio.to_thread(service.start)
        async with httpx.AsyncClient(timeout=20) as http:
            took = sorted([await _once(services, f"{name}-{number}", http) for number in range(count)])
    finally:
        for service in services:
            await asyncio.to_thread(service.kill)
    p50, p99 = statistics.median(took), took[max(0, int(count * 0.99) - 1)]
    print(f"broker {name}: {count} revocations, p50 {p50:.3f} s, p99 {p99:.3f} s, max {took[-1]:.3f} s")
    return p99


async def _once(services: list[Service], recipient: str, http: httpx.AsyncClient) -> float:
    token = services[0].token(recipient)
    opened = [await _opened(service.port, token) for service in services]
    began = time.perf_counter()
    ended = [asyncio.create_task(reader.readuntil(b'"reason":"revoked"')) for reader, _ in opened]
    admin = bearer(services[0].token("root", scope="notifications:admin"))
    answer = await http.post(f"{services[0].url}/admin/revocations", json={"sub": recipient}, headers=admin)
    assert answer.status_code == 201, answer.text
    await asyncio.wait_for(asyncio.gather(*ended), 10)
    took = time.perf_counter() - began
    for service, (_, writer) in zip(services, opened, strict=True):
        refused = await http.get(f"{service.url}/notifications/history", headers=bearer(token))
        assert (refused.status_code, refused.json()["code"]) == (401, "token_revoked")
        writer.close()
    return took


async def _opened(port: int, token: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET {STREAM} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
    await asyncio.wait_for(reader.readuntil(b"event: connected"), 10)
    return reader, writer


if __name__ == "__main__":
    raise SystemExit(main())
