"""The rollout goes from 0 to 100 to 50 % while notifications are published; the clients are the package's own, in Node.

Each recipient has two of them, at two gateways: both have to be on the same way.
"""

import asyncio
import json
import os
import sys
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random

import msgspec

from notify_sse.core.rollout import Rollout
from tests.fault.finding import Finding
from tests.fault.stage import Given, Stage
from tests.support.polling import becomes_true
from tests.support.services import Process, ensure
from tests.support.services.packages import executable
from tests.support.services.processes import spawn

CLIENTS = Path(__file__).with_suffix(".mjs")
STEPS = (100, 50)
WITHIN_S = 10.0
POLLING = "longpoll"
BATCHES_PER_S = 10


class Said(msgspec.Struct, frozen=True):
    """A line of a client: what it has received, that it was told of a gap, or the way it is on now ("": none)."""

    name: str
    id: str = ""
    reset: bool = False
    way: str | None = None


class Clients:
    """Those of the program in Node, as its output tells; `look` reads on."""

    def __init__(self, output: Path) -> None:
        self.received: dict[str, list[str]] = defaultdict(list)
        self.ways: dict[str, str] = {}
        self.resets = 0
        self.complaints: list[str] = []
        self._output = output.open("rb")
        self._rest = b""

    def look(self) -> None:
        """Take what they have said since the last look."""
        *lines, self._rest = (self._rest + self._output.read()).split(b"\n")
        for line in lines:
            if not line.startswith(b"{"):
                self.complaints.append(line.decode(errors="replace"))
                continue
            said = msgspec.json.decode(line, type=Said)
            if said.id:
                self.received[said.name].append(said.id)
            if said.way is not None:
                self.ways[said.name] = said.way
            self.resets += said.reset

    def close(self) -> None:
        self._output.close()


class Load:
    """Publishes to `recipients` by chance, `per_s` in a second; `published` are the ids of each, in order."""

    def __init__(self, stage: Stage, recipients: Sequence[str], *, per_s: float, random: Random) -> None:
        self.published: dict[str, list[str]] = defaultdict(list)
        self._stage, self._recipients = stage, recipients
        self._per_batch, self._random = max(1, round(per_s / BATCHES_PER_S)), random
        self._ended = asyncio.Event()

    @asynccontextmanager
    async def going(self) -> AsyncIterator[None]:
        """Meanwhile it publishes; at the end everything is accepted."""
        publishing = asyncio.create_task(self._publish())
        try:
            yield
            self._ended.set()
            await publishing
        finally:
            publishing.cancel()

    async def _publish(self) -> None:
        """A batch after the other, at each gateway in turn."""
        began, count = time.monotonic(), 0
        while not self._ended.is_set():
            count += 1
            chosen = self._random.choices(self._recipients, k=self._per_batch)
            documents = [self._stage.document(recipient_id=one) for one in chosen]
            for one, document in zip(chosen, documents, strict=True):
                self.published[one].append(document["notification_id"])
            await self._stage.publish(documents, at=count % 2)
            await asyncio.sleep(max(0.0, began + count / BATCHES_PER_S - time.monotonic()))


async def run(
    *,
    clients: int = 500,
    per_s: float = 100.0,
    stay_s: float = 5.0,
    poll_after_s: int = 3,
    seed: int = 1,
    given: Given | None = None,
) -> Finding:
    """`clients` at two gateways; `per_s` notifications a second. `stay_s` lie between the steps."""
    finding = Finding(f"rollout: 0 → 100 → 50 % with {clients} clients, {per_s:g} notifications/s")
    recipients = [f"user-{number}" for number in range(clients // 2)]
    env = {"ROLLOUT_PERCENT": "0", "POLL_AFTER_S": str(poll_after_s)}
    async with Stage(gateways=2, env=env, given=given) as stage:
        output = stage.gateways[0].service.directory / "clients.jsonl"
        program = _start(stage, recipients, output)
        load = Load(stage, recipients, per_s=per_s, random=Random(seed))
        seen = Clients(output)
        try:
            finding.expect(await _on_their_way(seen, recipients, 0, within_s=60) is not None, "not everybody polls")
            async with load.going():
                for percent in STEPS:
                    await asyncio.sleep(stay_s)
                    await _step(finding, stage, seen, recipients, percent)
                await asyncio.sleep(stay_s)
            await becomes_true(lambda: not _behind(seen, load.published), within_s=20, every_s=0.2)
        finally:
            program.kill()
            seen.close()
        _judge(finding, seen, load.published)
    return finding


def _start(stage: Stage, recipients: Sequence[str], output: Path) -> Process:
    ensure("node")
    clients = [
        {"name": f"{recipient} {at}", "url": gateway.service.url, "token": gateway.service.token(recipient)}
        for recipient in recipients
        for at, gateway in enumerate(stage.gateways)
    ]
    given = output.with_name("clients.json")
    given.write_text(json.dumps(clients))
    return spawn([executable("node"), CLIENTS, given], log=output, env=os.environ, cwd=output.parent)


async def _step(finding: Finding, stage: Stage, seen: Clients, recipients: Sequence[str], percent: int) -> None:
    """Set the percentage as an operator does, and wait until everybody is where that means."""
    command = [sys.executable, "-m", "notify_sse", "rollout", "--percent", str(percent)]
    env = stage.gateways[0].service.env
    process = await asyncio.create_subprocess_exec(*command, env=env, stdout=asyncio.subprocess.DEVNULL)
    finding.expect(await process.wait() == 0, "notify-sse rollout failed")
    took_s = await _on_their_way(seen, recipients, percent, within_s=3 * WITHIN_S)
    finding.note({f"all on the right way at {percent} %, s": took_s})
    wrong = _on_the_wrong_way(seen, recipients, percent)[:5]
    finding.expect(took_s is not None, f"at {percent} %: {wrong}")
    finding.expect(took_s is None or took_s < WITHIN_S, f"it took over {WITHIN_S:g} s at {percent} %")


async def _on_their_way(seen: Clients, recipients: Sequence[str], percent: int, *, within_s: float) -> float | None:
    """How long it took until every client was on the way that is meant for its recipient, in s; None: too long."""
    began = time.monotonic()
    done = await becomes_true(lambda: not _on_the_wrong_way(seen, recipients, percent), within_s=within_s, every_s=0.05)
    return time.monotonic() - began if done else None


def _on_the_wrong_way(seen: Clients, recipients: Iterable[str], percent: int) -> list[str]:
    """Clients by name. Both of a recipient are where its hash says, whatever was before."""
    seen.look()
    rollout = Rollout(percent)
    return [
        f"{name}: {way or 'nowhere'}"
        for recipient in recipients
        for name in (f"{recipient} 0", f"{recipient} 1")
        if (way := seen.ways.get(name, "")) != ("fetch" if rollout.enables(recipient) else POLLING)
    ]


def _behind(seen: Clients, published: dict[str, list[str]]) -> list[str]:
    seen.look()
    return [
        f"{recipient} {at}"
        for recipient, ids in published.items()
        for at in (0, 1)
        if len(seen.received[f"{recipient} {at}"]) < len(ids)
    ]


def _judge(finding: Finding, seen: Clients, published: dict[str, list[str]]) -> None:
    """Each client has received what was published for its recipient: all, once, in order."""
    lost = repeated = disordered = delivered = 0
    for recipient, ids in published.items():
        for at in (0, 1):
            received = seen.received[f"{recipient} {at}"]
            delivered += len(received)
            lost += len(set(ids) - set(received))
            repeated += len(received) - len(set(received))
            disordered += sorted(received, key=ids.index) != received
    finding.note(
        {
            "published": sum(map(len, published.values())),
            "delivered": delivered,
            "lost": lost,
            "repeated": repeated,
            "clients out of order": disordered,
        }
    )
    finding.expect(delivered, "nothing was delivered")
    finding.expect(not (lost or repeated or disordered), f"{lost} lost, {repeated} repeated, {disordered} out of order")
    finding.wrong += seen.complaints[:5]
    finding.expect(not seen.resets, f"{seen.resets} resets")
