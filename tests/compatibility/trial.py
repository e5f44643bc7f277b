"""One trial: all clients at once, each with a recipient of its own, before something happens to their streams."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tests.browser.proxy import Proxy
from tests.compatibility.rows import BUILT, Row
from tests.support.api import STREAM, Api, bearer, notification
from tests.support.polling import becomes_true, eventually
from tests.support.service import Service
from tests.support.services.processes import Process, spawn
from tests.support.streams import OpenStream, open_stream

FULL = 60
"""More than the clients are. A stream that is cut keeps its place for a moment, when its client is back already."""
ENV = {"RETRY_MS": "300", "DRAIN_S": "2", "HEARTBEAT_S": "2", "MAX_STREAMS": str(FULL)}
"""Of the service that is tried. Its other limits are those of every service."""
CONNECT_S = 40
WATCHED_S = 20
REFUSED_S = 6
BACK_S = 45
"""Refused just after a start, a client is told to wait for up to 10 s, and some wait longer by their own mind."""
TOKEN_TTL_S = 30
BATCH = 20


class Seen(NamedTuple):
    """What became of a client: the numbers that it printed, how often it asked after what happened to it, whether
    it said that it has given up, and whether it has a stream again."""

    numbers: list[int]
    asked: int
    has_ended: bool
    is_live: bool = False


class Trial:
    """The clients of `rows`, running."""

    def __init__(self, rows: Sequence[Row], service: Service, proxy: Proxy, folder: Path) -> None:
        self._rows = rows
        self.service = service
        self.proxy = proxy
        self._folder = folder
        self._processes: list[Process] = []

    @property
    def count(self) -> int:
        return len(self._rows)

    def start(self, *, ttl_s: float = 240) -> None:
        """Start them; each brings a token that ends in `ttl_s`."""
        for number, row in enumerate(self._rows):
            env = os.environ | {
                "URL": f"{self.proxy.url}{STREAM}?client={number}",
                "TOKEN": self.service.token(_recipient(number), ttl_s=ttl_s),
                "PYTHONPATH": str(BUILT / "python"),
                "NODE_NO_WARNINGS": "1",
            }
            self._processes.append(spawn(row.command, log=self._log(number), env=env, cwd=self._folder))

    def stop(self) -> None:
        for process in self._processes:
            process.kill()

    async def publish(self, api: Api, first: int) -> None:
        """The next `BATCH` for each of them, from `first` on."""
        for number in range(self.count):
            mine = [notification(_recipient(number), payload={"n": n}) for n in range(first, first + BATCH)]
            await api.publish_many(mine)

    async def have(self, count: int, *, within_s: float) -> bool:
        """Whether all clients have printed so many notifications in time."""
        everybody = range(self.count)
        return await becomes_true(
            lambda: all(len(self.numbers(n)) >= count for n in everybody), within_s=within_s, every_s=0.2
        )

    async def connected(self, *, within_s: float) -> bool:
        everybody = range(self.count)
        return await becomes_true(lambda: all(self.live(n) for n in everybody), within_s=within_s, every_s=0.1)

    def live(self, number: int) -> bool:
        """Whether it has a stream. One that is only asked for gets nothing that is published by then."""
        return any(exchange.is_answered and _asks(exchange.target, number) for exchange in self.proxy.live)

    def asked(self, number: int) -> int:
        """How often that client has asked for a stream."""
        return sum(_asks(exchange.target, number) for exchange in self.proxy.requests)

    def over(self, number: int) -> int:
        """How many of the streams that it asked for are over. One that is refused is so at once."""
        over = [exchange for exchange in self.proxy.requests if exchange not in self.proxy.live]
        return sum(_asks(exchange.target, number) for exchange in over)

    def numbers(self, number: int) -> list[int]:
        return [int(line) for line in self._lines(number) if line.isdigit()]

    def has_ended(self, number: int) -> bool:
        return "end" in self._lines(number) or not self._processes[number].alive

    def _lines(self, number: int) -> list[str]:
        return self._log(number).read_text(errors="replace").splitlines()

    def _log(self, number: int) -> Path:
        return self._folder / f"{number}.log"


def _recipient(number: int) -> str:
    return f"reader-{number}"


def _asks(target: str, number: int) -> bool:
    return f"client={number}&" in f"{target}&" and target.startswith(STREAM)


Happening = Callable[[Trial, Api], Awaitable[None]]


async def try_all(rows: Sequence[Row], folder: Path, happening: Happening, *, ttl_s: float = 240) -> list[Seen]:
    """What becomes of each client when `happening` comes over it. All have the first notifications by then."""
    async with _served(folder) as (service, proxy), Api(service) as api:
        trial = Trial(rows, service, proxy, folder)
        try:
            await asyncio.to_thread(trial.start, ttl_s=ttl_s)
            await trial.connected(within_s=CONNECT_S)
            await trial.publish(api, 0)
            await trial.have(BATCH, within_s=CONNECT_S)
            before = [trial.asked(number) for number in range(len(rows))]
            await happening(trial, api)
            return [
                Seen(trial.numbers(n), trial.asked(n) - before[n], trial.has_ended(n), trial.live(n))
                for n in range(len(rows))
            ]
        finally:
            await asyncio.to_thread(trial.stop)


@contextlib.asynccontextmanager
async def _served(folder: Path) -> AsyncIterator[tuple[Service, Proxy]]:
    service = Service(folder / "service", env=ENV)
    await asyncio.to_thread(service.start)
    try:
        async with Proxy(service.port, pages={}, mint=lambda *_: "") as proxy:
            proxy.transparent = True
            yield service, proxy
    finally:
        await asyncio.to_thread(service.kill)


async def killed(trial: Trial, api: Api) -> None:
    """SIGKILL. The next ones are published before anybody is back."""
    await asyncio.to_thread(trial.service.kill)
    await _begin_again(trial, api)


async def drained(trial: Trial, api: Api) -> None:
    """SIGTERM, as in every deployment."""
    await asyncio.to_thread(trial.service.terminate, within_s=15)
    await _begin_again(trial, api)


async def _begin_again(trial: Trial, api: Api) -> None:
    await asyncio.to_thread(trial.service.start)
    await trial.publish(api, BATCH)
    await trial.have(2 * BATCH, within_s=BACK_S)


async def busy(trial: Trial, api: Api) -> None:
    """All clients are cut off, others take every place, and each client is refused for load. Then the others go."""
    trial.proxy.down = True
    trial.proxy.cut(STREAM)
    others = await _take_all_places(trial.service, api)
    before = [trial.over(number) for number in range(trial.count)]
    trial.proxy.down = False
    await becomes_true(
        lambda: all(trial.over(n) > before[n] or trial.has_ended(n) for n in range(trial.count)),
        within_s=CONNECT_S,
        every_s=0.1,
    )
    await asyncio.sleep(REFUSED_S)
    for stream in others:
        stream.drop()
    await trial.publish(api, BATCH)
    await trial.have(2 * BATCH, within_s=BACK_S)


async def _take_all_places(service: Service, api: Api) -> list[OpenStream]:
    await eventually(partial(_is_empty, api), what="the places of those who were cut off are free")
    headers = bearer(service.token("somebody-else", ttl_s=240))
    url = f"{service.url}{STREAM}"
    return [await open_stream(url, on_message=lambda _: None, headers=headers) for _ in range(FULL)]


async def _is_empty(api: Api) -> bool:
    return await api.metric("notify_sse_streams") == 0


async def out_of_date(trial: Trial, _: Api) -> None:
    """The token ends, and no new one is given."""
    await becomes_true(lambda: not trial.proxy.live, within_s=TOKEN_TTL_S + 10, every_s=0.1)
    await asyncio.sleep(WATCHED_S)


async def bad_gateway(trial: Trial, api: Api) -> None:
    """The proxy cuts the streams, answers 502 for a while, and lets them through again."""
    trial.proxy.refuse[STREAM] = 502
    trial.proxy.cut(STREAM)
    await asyncio.sleep(REFUSED_S)
    trial.proxy.refuse.clear()
    await trial.publish(api, BATCH)
    await trial.have(2 * BATCH, within_s=BACK_S)
