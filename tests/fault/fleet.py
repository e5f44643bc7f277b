"""The gateway processes of a run, and what their metrics said through all their lives."""

import asyncio
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.fault.http import fetch
from tests.support.service import Service
from tests.support.services.processes import Process

_SAMPLE = re.compile(r"^notify_sse_(\w+?)(?:_total)?(?:\{(.*)\})? ([0-9.e+-]+)$", re.MULTILINE)
_VALUE = re.compile(r'"([^"]*)"')


def samples(text: str) -> Counter[str]:
    """The counters and gauges in a Prometheus exposition, as whole numbers: `resets expired`, `holes_found`, …

    Buckets are left out.
    """
    found: Counter[str] = Counter()
    for name, labels, value in _SAMPLE.findall(text):
        if not name.endswith(("_bucket", "_created", "_sum", "_count")):
            found[" ".join([name, *_VALUE.findall(labels)])] += int(float(value))
    return found


class Gateway:
    """One `notify-sse serve` that is started again and again. `web_port` is where clients reach it."""

    def __init__(self, number: int, service: Service, *, web_port: int) -> None:
        self.number = number
        self.service = service
        self.web_port = web_port
        self.busy = asyncio.Lock()
        """Held by whoever has stopped, frozen or killed it."""
        self.expected_down = False
        self.lives = 0
        self.last: Counter[str] = Counter()
        self._past: Counter[str] = Counter()

    @property
    def total(self) -> Counter[str]:
        """Its counters through all its lives."""
        return self._past + self.last

    async def scrape(self) -> Counter[str]:
        """Its counters of this life, as of now, or as they were last known when it does not answer."""
        with suppress(OSError, TimeoutError, EOFError, ValueError):
            status, body = await fetch(self.service.port, "/metrics", within_s=2.0)
            if status == 200:
                self.last = samples(body.decode())
        return self.last

    async def start(self, *, within_s: float = 60) -> None:
        """Start it; returns once it is ready."""
        self.lives += 1
        await asyncio.to_thread(self.service.start, wait_ready=False)
        self.expected_down = False
        await asyncio.to_thread(self.service.wait_ready, within_s=within_s)

    async def kill(self) -> None:
        """SIGKILL, after a last look at its metrics."""
        await self.scrape()
        self.expected_down = True
        await asyncio.to_thread(self.service.kill)
        self._bury()

    async def terminate(self, *, within_s: float) -> None:
        """SIGTERM, and wait for its end; TimeoutError when that takes longer."""
        await self.scrape()
        self.expected_down = True
        await asyncio.to_thread(self.service.terminate, within_s=within_s)
        self._bury()

    def workers(self) -> list[Process]:
        """The worker processes of its supervisor, if it has one."""
        return self.service.process.descendants() if self.service.process else []

    def note_death(self) -> None:
        """It ended by itself."""
        self._bury()

    def _bury(self) -> None:
        self._past += self.last
        self.last = Counter()


class Fleet:
    """All gateways."""

    def __init__(
        self,
        directory: Path,
        *,
        count: int,
        urls: Sequence[Mapping[str, str]],
        web_ports: Sequence[int] | None = None,
        service_ports: Sequence[int],
        amqp_prefix: str,
        env: Mapping[str, str],
        workers: Sequence[int] = (),
        roles: Sequence[str] = (),
    ) -> None:
        self.gateways = []
        for number in range(count):
            service = Service(
                directory / f"gateway-{number}",
                **urls[number],
                amqp_prefix=amqp_prefix,
                port=service_ports[number],
                workers=workers[number] if workers else 1,
                role=roles[number] if roles else "all",
                env=env,
                variables=None,
            )
            service.env["TMPDIR"] = str(directory)  # a supervisor that is killed cannot remove its files
            web_port = web_ports[number] if web_ports else service_ports[number]
            self.gateways.append(Gateway(number, service, web_port=web_port))
        self.died: list[str] = []

    async def start(self) -> None:
        """Start the first alone (it migrates the database), then the others."""
        await self.gateways[0].start()
        await asyncio.gather(*(gateway.start() for gateway in self.gateways[1:]))

    async def watch(self, *, every_s: float = 2.0) -> None:
        """Scrape all, and start again whichever ended by itself; until cancelled."""
        while True:
            await asyncio.sleep(every_s)
            for gateway in self.gateways:
                if gateway.busy.locked() or gateway.expected_down:
                    continue
                await gateway.scrape()
                if not gateway.service.running and not gateway.busy.locked():
                    self.died.append(f"gateway {gateway.number} ended by itself; see {gateway.service.log}")
                    gateway.note_death()
                    with suppress(Exception):
                        await gateway.start()

    def total(self) -> Counter[str]:
        """The counters of all gateways through all their lives."""
        return sum((gateway.total for gateway in self.gateways), Counter())

    async def active(self) -> Gateway | None:
        """The gateway whose ingest is the active consumer: the one that took something from the queue just now."""
        before = [(gateway, (await gateway.scrape())["ingested"]) for gateway in self.gateways]
        for _ in range(5):
            await asyncio.sleep(0.2)
            for gateway, count in before:
                if (await gateway.scrape())["ingested"] > count:
                    return gateway
        return None

    async def stop(self) -> None:
        """SIGKILL all."""
        for gateway in self.gateways:
            gateway.expected_down = True
            await gateway.scrape()
            await asyncio.to_thread(gateway.service.kill)
