"""The controller of one scenario: drives the client processes, the publisher process and the meter around one target.

A *phase* is one measurement. It publishes, then waits until everything has arrived or nothing arrives any more. Its
result has a sample for each notification, and the CPU time that each group of processes used meanwhile.
"""

import asyncio
import secrets
import time
from array import array
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from notify_sse.bench.clients import client_process
from notify_sse.bench.clients.client_process import Endpoint
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.publishers import publisher_process
from notify_sse.bench.report.meter import Meter
from notify_sse.bench.target import WEBSOCKET_PATH, Target
from notify_sse.bench.worker import Worker
from notify_sse.errors import CannotMeasure
from notify_sse.server.files import raise_file_limit

SPARE_FILES: Final = 300
POLL_S: Final = 0.1


class Opened(msgspec.Struct):
    """Streams that were opened: when each was live (monotonic ns), how long each took, and which failed."""

    started_ns: int
    live_ns: "array[int]"
    took_ns: "array[int]"
    failures: dict[str, int]

    @property
    def seconds(self) -> float:
        """From the first attempt until the last was live."""
        return (max(self.live_ns, default=self.started_ns) - self.started_ns) / 1e9

    @property
    def per_s(self) -> float:
        """Connections a second."""
        return len(self.live_ns) / self.seconds if self.seconds else 0.0


class Phase(msgspec.Struct):
    """The samples of one phase. `cpu_s` is by group of processes, used within `seconds`."""

    due_ns: "array[int]"
    delay_ns: "array[int]"
    sent: int
    expected: int
    seconds: float
    publish_s: float
    cpu_s: dict[str, float]
    confirm_ns: "array[int]"
    late_ns: "array[int]"


class Controller:
    """An async context manager: starts the processes and ends them. It makes `streams` clients and connects none."""

    def __init__(self, target: Target, plan: Plan, progress: Progress, *, streams: int, label: str, path: str) -> None:
        self.target = target
        self.plan = plan
        self.streams = streams
        self.opened = 0
        self.meter = Meter({})
        self._progress = progress
        self._label = label
        self._path = path
        self._run = secrets.token_hex(4)
        self._client_workers: list[Worker] = []
        self._workers: list[Worker] = []

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stop()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _start(self) -> None:
        plan, files = self.plan, raise_file_limit() - SPARE_FILES
        if self.streams > files:
            raise CannotMeasure(f"a process may open {files} connections here, not {self.streams} (ulimit -n)")
        count = min(self.streams, max(plan.client_processes, -(-self.streams // files)))
        self._client_workers = [await self._worker(client_process.__name__) for _ in range(count)]
        self._publisher = await self._worker(publisher_process.__name__)
        target = self.target
        topics = tuple(f"bench-{number}" for number in range(plan.topics))
        path = WEBSOCKET_PATH if plan.websocket else self._path
        endpoint = Endpoint(
            host=target.host,
            port=target.port,
            path=f"{path}?topics={','.join(topics)}" if topics else path,
            websocket=plan.websocket,
            topics=topics,
            run=self._run,
            sources=plan.sources if target.host.startswith("127.") else (),
            secret=target.secret,
            audience=target.audience,
            issuer=target.issuer,
        )
        self._progress.update(f"{self._label}: making {self.streams} clients")
        await asyncio.gather(
            self._publisher.call(
                "connect", publish_to=target.publish_to, run=self._run, streams=self.streams, filler=plan.filler
            ),
            *(
                one.call("make", endpoint=endpoint, indices=(place, self.streams, count))
                for place, one in enumerate(self._client_workers)
            ),
        )
        groups = {"publisher": [self._publisher.pid], "clients": [one.pid for one in self._client_workers]}
        self.meter = Meter(target.pids | groups)

    async def _worker(self, module: str) -> Worker:
        worker = await Worker.start(module)
        self._workers.append(worker)
        return worker

    async def _stop(self) -> None:
        await asyncio.gather(*(one.stop() for one in self._workers))

    async def open(self, count: int) -> Opened:
        """Open the next `count` streams, as fast as the server takes them."""
        first, after, step = self.opened, self.opened + count, len(self._client_workers)
        calls = [
            one.call("open", count=len(range(first + (place - first) % step, after, step)), at_once=self.plan.at_once)
            for place, one in enumerate(self._client_workers)
        ]
        self.opened = after
        return _merged(await self._with_progress(asyncio.gather(*calls)))

    async def drop(self) -> int:
        """Cut every stream; returns the monotonic time in ns of the first cut."""
        cut_ns: list[int] = await asyncio.gather(*(one.call("drop") for one in self._client_workers))
        return min(cut_ns)

    async def resume(self, *, at_once: int) -> Opened:
        """Open every stream again, each with its cursor."""
        calls = [one.call("resume", at_once=at_once) for one in self._client_workers]
        return _merged(await self._with_progress(asyncio.gather(*calls)))

    async def churn(self, *, per_s: float, seconds: float) -> Opened:
        """Drop and resume that many random streams a second."""
        each = per_s / len(self._client_workers)
        return _merged(
            await asyncio.gather(*(one.call("churn", per_s=each, seconds=seconds) for one in self._client_workers))
        )

    def pace(self, *, rate: float, seconds: float, topic: str | None = None) -> Awaitable[None]:
        """Publish `rate` a second, to the open streams one after another, or to a topic."""
        return self._publisher.call("pace", rate=rate, seconds=seconds, streams=self.opened, topic=topic)

    def burst(self, count: int, *, topic: str | None = None) -> Awaitable[None]:
        """Publish `count` at once."""
        return self._publisher.call("burst", count=count, streams=self.opened, topic=topic)

    async def phase(self, *works: Awaitable[Any], backlog: int = 0) -> Phase:
        """Run `works`, which publish, and collect the samples.

        `backlog` is how many notifications were published before, and arrive only now.
        """
        await asyncio.gather(*(one.call("clear") for one in self._client_workers), self._publisher.call("samples"))
        before, cpu_before, start = await self._publisher.call("status"), self.meter.cpu_s(), time.monotonic()
        await self._with_progress(asyncio.gather(*works))
        publish_s = time.monotonic() - start
        sent, expected = await self._wait_for_arrivals(before, backlog)
        cpu_after, seconds = self.meter.cpu_s(), time.monotonic() - start
        samples = await self._publisher.call("samples")
        tallies = await self._tallies()
        return Phase(
            due_ns=_joined(tallies, "due_ns"),
            delay_ns=_joined(tallies, "delay_ns"),
            sent=sent,
            expected=expected,
            seconds=seconds,
            publish_s=publish_s,
            cpu_s={name: cpu_after[name] - used for name, used in cpu_before.items()},
            confirm_ns=array("q", samples["confirm_ns"]),
            late_ns=array("q", samples["late_ns"]),
        )

    async def _wait_for_arrivals(self, before: dict[str, int], backlog: int) -> tuple[int, int]:
        """Wait until all that was sent has arrived, or nothing has for `settle_s`. Returns sent and expected."""
        most, moved = -1, time.monotonic()
        while True:
            sent, expected, received = await self._counts(before)
            if received >= expected + backlog or time.monotonic() - moved > self.plan.settle_s:
                return sent, expected
            if received > most:
                most, moved = received, time.monotonic()
            await asyncio.sleep(POLL_S)

    async def _counts(self, before: dict[str, int]) -> tuple[int, int, int]:
        """Sent, deliveries expected, and deliveries since `before`."""
        now = await self._publisher.call("status")
        statuses = await asyncio.gather(*(one.call("status") for one in self._client_workers))
        sent = now["sent"] - before["sent"]
        on_topic = now["topic"] - before["topic"]
        received = sum(one["received"] for one in statuses)
        self._progress.update(
            f"{self._label}: {sum(one['live'] for one in statuses):,} streams, {sent:,} sent, {received:,} received"
        )
        return sent, sent - on_topic + on_topic * self.opened, received

    async def _with_progress(self, work: "asyncio.Future[Any]") -> Any:
        """Await `work`, and show its progress."""
        nothing = {"sent": 0, "topic": 0}
        while not work.done():
            await asyncio.wait((work,), timeout=5 * POLL_S)
            with suppress(Exception):
                await self._counts(nothing)
        return await work

    async def anomalies(self) -> dict[str, int]:
        """What went wrong with all that was published so far: losses, repeats, disorders, cut streams, resets."""
        tallies = await self._tallies()
        return {name: sum(one[name] for one in tallies) for name in ("lost", "repeats", "disorders", "cut", "resets")}

    async def refused(self) -> int:
        """How many publishes were answered, but refused or not routed."""
        return int((await self._publisher.call("status"))["failed"])

    async def _tallies(self) -> list[dict[str, Any]]:
        numbers = await self._publisher.call("numbers")
        topic = (await self._publisher.call("status"))["topic"]
        calls = [one.call("tally", numbers=numbers, topic=topic) for one in self._client_workers]
        tallies: list[dict[str, Any]] = await asyncio.gather(*calls)
        return tallies


def _joined(tallies: Sequence[dict[str, Any]], name: str) -> "array[int]":
    joined = array("q")
    for tally in tallies:
        joined.frombytes(tally[name])
    return joined


def _merged(answers: Sequence[dict[str, Any]]) -> Opened:
    failures = Counter[str]()
    for answer in answers:
        failures.update(answer["failures"])
    return Opened(
        started_ns=min(answer["started_ns"] for answer in answers),
        live_ns=_joined(answers, "live_ns"),
        took_ns=_joined(answers, "took_ns"),
        failures=dict(failures),
    )
