"""`python -m tests.security.siege`: every attack at once, beside healthy streams and a publisher.

The attackers are a process of their own, and an idle one: they have the machine's spare time, since real ones are on
machines of their own. Even so they take some of it. So they besiege a neighbour first, another service on the same
broker and database server: what healthy streams notice of that is the machine, and what they notice more of a siege of
their own is the service. They must notice little, and lose nothing.
"""

import asyncio
import contextlib
import shutil
import sys
import time
from pathlib import Path
from typing import Any, Final

import click
import httpx
import msgspec
import uvloop

from tests.security.watchdog import Vitals, Watchdog
from tests.support.event_stream import Message
from tests.support.service import Service
from tests.support.services import private_directory, start_postgres, start_rabbitmq
from tests.support.services.processes import spawn
from tests.support.streams import OpenStream, open_stream

RECIPIENTS_EACH: Final = 20
"""Healthy streams publish to this many recipients a turn."""
OPENED_AT_ONCE: Final = 50
TAIL_EVENTS: Final = 2000
"""Published before the siege: what healthy publishers put into the tail is memory, too, and not the attackers'."""
SPARE_SOCKETS: Final = 4
"""The watchdog's own, just closing."""
MOST_TIMES: Final = 2.0
"""So much longer may the p99 of healthy streams be within the siege than while a neighbour is besieged."""
SPELL_S: Final = 30.0
"""How long each spell before the siege lasts."""
LEAST_P99_S: Final = 0.005
"""Below this, a ratio says nothing."""


class Siege(msgspec.Struct, frozen=True):
    """What came out. Times in seconds, from publish to receipt."""

    published: int
    received: int
    p99_quiet: float
    p99_beside: float
    p99_within: float
    dropped: int
    wrong: tuple[str, ...]
    before: Vitals
    peak_kb: int
    after: Vitals
    errors: tuple[str, ...]
    streams_left: int

    def faults(self) -> list[str]:
        """What may not be."""
        found = [*self.wrong, *self.errors]
        if self.dropped:
            found.append(f"{self.dropped} healthy streams were ended")
        if self.received != self.published:
            found.append(f"{self.published} published to healthy streams, {self.received} received")
        if self.after.memory_kb > self.before.memory_kb * 1.1:
            found.append(f"memory {self.before.memory_kb} → {self.after.memory_kb} KB")
        if self.after.streams != self.streams_left:
            found.append(f"{self.after.streams} streams, {self.streams_left} of them healthy")
        if not self.after.streams <= self.after.sockets <= self.after.streams + SPARE_SOCKETS:
            found.append(f"{self.after.streams} streams on {self.after.sockets} sockets")
        if self.p99_within > MOST_TIMES * max(self.p99_beside, LEAST_P99_S):
            found.append(f"p99 {self.p99_beside:.4f} → {self.p99_within:.4f} s")
        return found

    def __str__(self) -> str:
        return (
            f"published {self.published}, received {self.received}\n"
            f"p99 {self.p99_quiet * 1000:.1f} (quiet), {self.p99_beside * 1000:.1f} (a neighbour is besieged), "
            f"{self.p99_within * 1000:.1f} ms: {self.p99_within / max(self.p99_quiet, 1e-6):.2f} and "
            f"{self.p99_within / max(self.p99_beside, 1e-6):.2f} times\n"
            f"memory {self.before.memory_kb} → {self.peak_kb} (most) → {self.after.memory_kb} KB\n"
            f"streams {self.after.streams}, sockets {self.after.sockets}, files {self.after.files}\n"
            + "\n".join(f"WRONG {fault}" for fault in self.faults())
        )


class Healthy:
    """Streams that do nothing but read, and a publisher that publishes to them at a steady rate."""

    def __init__(self, service: Service, *, streams: int, rate: float) -> None:
        self._service = service
        self._count = streams
        self._rate = rate
        self._streams: list[OpenStream] = []
        self._next = [0] * streams
        self._sent = [0] * streams
        self._arrived = asyncio.Event()
        self.times: list[float] = []
        self.wrong: list[str] = []

    @property
    def published(self) -> int:
        return sum(self._sent)

    @property
    def received(self) -> int:
        return sum(self._next)

    @property
    def dropped(self) -> int:
        return sum(stream.ended.done() for stream in self._streams)

    async def open(self) -> None:
        for start in range(0, self._count, OPENED_AT_ONCE):
            several = range(start, min(start + OPENED_AT_ONCE, self._count))
            self._streams += await asyncio.gather(*map(self._open, several))

    async def publish(self, seconds: float) -> None:
        """To one recipient after another, for `seconds`."""
        token = self._service.token("healthy", scope="notifications:publish")
        headers = {"Authorization": f"Bearer {token}"}
        until, turn = time.monotonic() + seconds, 0
        async with httpx.AsyncClient(base_url=self._service.url, headers=headers, timeout=30) as client:
            while time.monotonic() < until:
                began = time.monotonic()
                chosen = [(turn * RECIPIENTS_EACH + n) % self._count for n in range(RECIPIENTS_EACH)]
                turn += 1
                answer = await client.post("/notifications", json=[self._document(index) for index in chosen])
                if answer.status_code != httpx.codes.CREATED:
                    self.wrong.append(f"a publish was answered with {answer.status_code}")
                await asyncio.sleep(max(0.0, RECIPIENTS_EACH / self._rate - (time.monotonic() - began)))

    async def caught_up(self, within_s: float) -> None:
        """Wait until all that was published has arrived."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                while self.received < self.published:
                    self._arrived.clear()
                    await self._arrived.wait()

    def close(self) -> None:
        for stream in self._streams:
            stream.drop()

    def p99(self) -> float:
        """Of what has arrived since the last call."""
        times, self.times = sorted(self.times), []
        return times[int(len(times) * 0.99)] if times else 0.0

    def _document(self, index: int) -> dict[str, Any]:
        number = self._sent[index]
        self._sent[index] += 1
        payload = {"index": index, "number": number, "at": time.monotonic()}
        return {"recipient_id": f"healthy-{index}", "notification_type": "note", "payload": payload}

    async def _open(self, index: int) -> OpenStream:
        def on_message(message: Message) -> None:
            if message.event == "message":
                self._take(index, message.json()["payload"])

        headers = {"Authorization": f"Bearer {self._service.token(f'healthy-{index}')}"}
        url = f"{self._service.url}/notifications/stream"
        stream = await open_stream(url, on_message=on_message, headers=headers, within_s=30)
        assert stream.status == httpx.codes.OK, stream.body
        return stream

    def _take(self, index: int, payload: Any) -> None:
        self.times.append(time.monotonic() - payload["at"])
        if payload["index"] != index:
            self.wrong.append(f"a notification for {payload['index']} came to {index}")
        elif payload["number"] != self._next[index]:
            self.wrong.append(f"{index} received {payload['number']} in the place of {self._next[index]}")
        self._next[index] = payload["number"] + 1
        self._arrived.set()


async def besiege(
    service: Service, *, neighbour: Service | None = None, seconds: float, streams: int, rate: float, rest_s: float
) -> Siege:
    """A quiet spell, one while `neighbour` is besieged, the siege, then rest; the healthy streams are open throughout.
    Without a neighbour, the quiet spell stands for both.
    """
    watchdog, healthy = Watchdog(service), Healthy(service, streams=streams, rate=rate)
    await healthy.open()
    spell_s = min(seconds, SPELL_S)
    try:
        await healthy.publish(spell_s)
        p99_quiet = p99_beside = healthy.p99()
        if neighbour:
            await _under_attack(neighbour, watchdog, healthy, spell_s)
            p99_beside = healthy.p99()
        before = await asyncio.to_thread(watchdog.look)
        peak_kb = await _under_attack(service, watchdog, healthy, seconds)
        p99_within = healthy.p99()
        after = await _rested(watchdog, before, streams, rest_s)
        await healthy.caught_up(rest_s)
        return Siege(
            published=healthy.published,
            received=healthy.received,
            p99_quiet=p99_quiet,
            p99_beside=p99_beside,
            p99_within=p99_within,
            dropped=healthy.dropped,
            wrong=tuple(healthy.wrong[:10]),
            before=before,
            peak_kb=peak_kb,
            after=after,
            errors=tuple(line[:300] for line in watchdog.errors()[:10]),
            streams_left=streams,
        )
    finally:
        healthy.close()


async def _under_attack(service: Service, watchdog: Watchdog, healthy: Healthy, seconds: float) -> int:
    """`service` is attacked while healthy streams, perhaps another's, are published to. Returns the most memory, in KB,
    that the service of those had.
    """
    tokens = [service.token("attacker"), service.token("attacker", scope="notifications:publish")]
    command = ["nice", "-n", "19", sys.executable, "-m", "tests.security.attacks", str(service.port), *tokens]
    attackers = spawn(command, log=service.directory / "attackers.log", env=service.env, cwd=Path.cwd())
    most_kb = 0
    publishing = asyncio.create_task(healthy.publish(seconds))
    try:
        while not publishing.done():
            most_kb = max(most_kb, watchdog.memory_kb())
            await asyncio.wait([publishing], timeout=1)
            if not attackers.alive:
                said = (service.directory / "attackers.log").read_text()[-2000:]
                raise RuntimeError(f"the attackers have ended, and nobody besieges:\n{said}")
        await publishing
    finally:
        publishing.cancel()
        attackers.kill()
    return most_kb


async def _rested(watchdog: Watchdog, before: Vitals, streams: int, rest_s: float) -> Vitals:
    """Look until all is as before, at most `rest_s`."""
    until = time.monotonic() + rest_s
    while True:
        look = await asyncio.to_thread(watchdog.look)
        calm = look.streams == streams and look.memory_kb <= before.memory_kb * 1.1
        if calm or time.monotonic() > until:
            return look
        await asyncio.sleep(1)


@click.command()
@click.option("--seconds", default=600.0, show_default=True, help="How long it lasts.")
@click.option("--streams", default=1000, show_default=True, help="Healthy streams.")
@click.option("--rate", default=200.0, show_default=True, help="Notifications a second to them.")
def main(*, seconds: float, streams: int, rate: float) -> None:
    """Besiege a service on RabbitMQ and Postgres; exit code 1 when anything was wrong."""
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        database = start_postgres(directory)
        try:
            service, neighbour = (
                Service(
                    Path(directory) / name,
                    broker_url=broker.url,
                    database_url=database.create_database(),
                    amqp_prefix=name,
                    env={"TAIL_MAX_EVENTS": str(TAIL_EVENTS)},
                )
                for name in ("service", "neighbour")
            )
            try:
                service.start()
                neighbour.start()
                siege = uvloop.run(
                    besiege(service, neighbour=neighbour, seconds=seconds, streams=streams, rate=rate, rest_s=60)
                )
            finally:
                service.kill()
                neighbour.kill()
        finally:
            database.stop()
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)
    click.echo(str(siege))
    sys.exit(1 if siege.faults() else 0)


if __name__ == "__main__":
    main()
