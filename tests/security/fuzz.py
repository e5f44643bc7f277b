"""All kinds of hostile input, one after another, with a watchdog beside them."""

import asyncio
import gc
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Final

import httpx
import msgspec

from tests.security import live, pure
from tests.security.live import Target
from tests.security.watchdog import Vitals, Watchdog, resident_kb
from tests.support.service import Service

WARM_UP: Final = 0.1
"""The share of the count that runs before memory is measured: caches fill, and code is loaded."""
WARM_UP_SERVICE: Final = 0.5
WARM_UP_CONNECTIONS: Final = 12_000
"""The same at a service, whose collector lets garbage grow up to a bound before it works. What leaks grows in the
second half as well.
"""
GROWTH: Final = 0.05
GROWTH_KB: Final = 8_192
"""By so much memory may grow, whichever is more: by a share of what it was, or by what an allocator keeps."""
LINGER_S: Final = 3.0
"""For those who were told to go and do not: until then their sockets are kept."""
SPARE_FILES: Final = 4
"""The watchdog's own, and the database's."""
SETTLE_S: Final = 10.0


class Counts(msgspec.Struct, frozen=True):
    """How many inputs of each kind."""

    bodies: int = 500_000
    frames: int = 110_000
    """Pieces of a stream, nine or ten frames each."""
    tokens: int = 200_000
    cursors: int = 200_000
    queries: int = 20_000
    publishes: int = 20_000
    raw_http: int = 50_000
    raw_websocket: int = 50_000
    amqp: int = 50_000


class Finding(msgspec.Struct, frozen=True):
    """How the inputs of one kind ended, and what was wrong beside them."""

    kind: str
    ends: Mapping[str, int]
    wrong: tuple[str, ...] = ()
    measured: str = ""

    def __str__(self) -> str:
        ends = ", ".join(f"{end} {count}" for end, count in sorted(self.ends.items(), key=lambda item: -item[1])[:8])
        return f"{self.kind:14} {sum(self.ends.values()):8}  {ends}{self.measured}" + "".join(
            f"\n  WRONG {one}" for one in self.wrong
        )


def in_process(counts: Counts, *, seed: int) -> Iterator[Finding]:
    """The parsers. An exception is what was wrong; it names the seed."""
    attempts = (
        ("bodies", pure.body, counts.bodies),
        ("frames", pure.stream, counts.frames),
        ("tokens", pure.token(), counts.tokens),
        ("cursors", pure.cursor, counts.cursors),
    )
    for kind, attempt, count in attempts:
        yield measured(kind, attempt, count=count, seed=seed)


def measured(kind: str, attempt: Callable[[Random], str], *, count: int, seed: int) -> Finding:
    """`count` attempts in this process: how they ended, the longest, and how memory grew after the first of them."""
    warm = max(1, int(count * WARM_UP))
    first = pure.run(attempt, count=warm, seed=seed)
    before_kb = _resident_kb()
    rest = pure.run(attempt, count=count - warm, seed=seed + warm)
    after_kb = _resident_kb()
    longest_s = max(first.longest_s, rest.longest_s)
    told = f"; longest {longest_s * 1000:.1f} ms, memory {before_kb} → {after_kb} KB"
    ends = first.ends + rest.ends
    wrong = [f"{ends['nameless']} refusals name no field"] if ends["nameless"] else []
    return Finding(kind, ends, (*wrong, *_memory_growth(before_kb, after_kb)), told)


def _resident_kb() -> int:
    gc.collect()
    return resident_kb(os.getpid())


async def at_a_service(service: Service, counts: Counts, *, seed: int) -> list[Finding]:
    """The doors of a running service of one process."""
    watchdog = Watchdog(service)
    findings = []
    async with httpx.AsyncClient(base_url=service.url, timeout=live.ANSWER_S) as client:
        target = Target(service, client)
        target.epoch = await _epoch(client, service)
        kinds = (
            ("queries", target.history, counts.queries),
            ("publishes", target.publish, counts.publishes),
            ("tokens sent", target.token, counts.queries // 10),
            ("raw HTTP", target.raw_http, counts.raw_http),
            ("raw WebSocket", target.raw_websocket, counts.raw_websocket),
        )
        for kind, attempt, count in kinds:
            findings.append(await _watched(watchdog, kind, attempt, count, seed))
    return findings


async def amqp(service: Service, url: str, exchange: str, counts: Counts, *, seed: int) -> Finding:
    """The ingest queue: everything is either in the log or in the dead letters, and the consumer lives. The good ones
    among them are in the log, once and in order.
    """
    watchdog = Watchdog(service)
    good = await asyncio.to_thread(live.publish_amqp, url, exchange, count=counts.amqp, seed=seed)
    left = await asyncio.to_thread(live.wait_until_ingested, url, exchange)
    ends = Counter(left)
    wrong = [f"an error record: {line[:300]}" for line in watchdog.errors()]
    if ends["waiting"]:
        wrong.append("messages were left in the queue")
    async with httpx.AsyncClient(base_url=service.url, timeout=live.ANSWER_S) as client:
        target = Target(service, client)
        target.epoch = await _epoch(client, service)
        stored = await target.stored(live.GOOD_RECIPIENT)
    if stored != good:
        wrong.append(f"{len(good)} good messages were published, and {len(stored)} of them stored, or in another order")
    return Finding("AMQP", {**ends, "good": len(stored)}, tuple(wrong))


async def _watched(watchdog: Watchdog, kind: str, attempt: live.Attempt, count: int, seed: int) -> Finding:
    warm = max(1, int(count * WARM_UP_SERVICE), min(WARM_UP_CONNECTIONS, int(count * 0.9)))
    first = await live.run(attempt, count=warm, seed=seed)
    await asyncio.sleep(LINGER_S)
    before = await asyncio.to_thread(watchdog.settled, within_s=SETTLE_S)
    running = asyncio.create_task(live.run(attempt, count=count - warm, seed=seed + warm))
    looks: list[Vitals] = []
    while not running.done():
        looks.append(await asyncio.to_thread(watchdog.look))
        await asyncio.wait([running], timeout=0.5)
    ends = first + await running
    after = await asyncio.to_thread(watchdog.settled, within_s=SETTLE_S, files=before.files + SPARE_FILES)
    wrong = [*growth(before, looks, after), *(f"an error record: {line[:300]}" for line in watchdog.errors())]
    slowest_s = max((look.answered_s for look in looks), default=0.0)
    told = f"; /healthz at most {slowest_s * 1000:.0f} ms, memory {before.memory_kb} → {after.memory_kb} KB"
    return Finding(kind, ends, tuple(wrong), told)


def growth(before: Vitals, looks: list[Vitals], after: Vitals) -> Iterator[str]:
    """What may not be, in words."""
    for look in looks:
        if look.streams > look.sockets:
            yield f"{look.streams} streams on {look.sockets} sockets"
    if after.streams:
        yield f"{after.streams} streams of clients that have gone"
    if after.files > before.files + SPARE_FILES:
        yield f"open files grew from {before.files} to {after.files}"
    yield from _memory_growth(before.memory_kb, after.memory_kb)


def _memory_growth(before_kb: int, after_kb: int) -> Iterator[str]:
    if after_kb > before_kb + max(GROWTH_KB, before_kb * GROWTH):
        yield f"memory grew from {before_kb} to {after_kb} KB"


async def _epoch(client: httpx.AsyncClient, service: Service) -> str:
    headers = {"Authorization": f"Bearer {service.token('fuzz')}"}
    answer = await client.get("/notifications/history", headers=headers)
    cursor: str = json.loads(answer.text)["cursor"]
    return cursor.partition(".")[0]
