"""Versions side by side: one that is behind, one that is ahead, and the steps between them, under publishing.

`tests/fault/scenarios/upgrade.py` has three gateways, both versions as they are shipped, and a crash at every step.
"""

import asyncio
import contextlib
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from notify_sse.store import migrate, schema
from tests.support.api import STREAM, Api, bearer, notification
from tests.support.checker import Seen
from tests.support.polling import eventually, until
from tests.support.readers import ResumingReader
from tests.support.service import Service, ServiceFactory, Stack

FURTHER = """
from alembic import op
revision = "9999"
down_revision = {down!r}
branch_labels = depends_on = None
{more}
def upgrade():
    op.get_bind().exec_driver_sql("CREATE TABLE further (x integer)")
"""
DRAIN = {"DRAIN_S": "1.2"}


class Version:
    """An installation: the real program with the migrations in `folder`."""

    def __init__(self, folder: Path) -> None:
        shutil.copytree(schema.scripts(), folder)
        self.folder = folder
        self.program = ("tests.system.other_version", str(folder))

    def upgrade(self, more: str = "") -> None:
        """Put a version with one more revision in its place."""
        text = FURTHER.format(down=schema.expected_revision(), more=more)
        (self.folder / "versions" / "9999_further.py").write_text(text)

    async def migrate(self, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
        """`notify-sse migrate` of this version."""
        with monkeypatch.context() as patch:
            patch.setattr(schema, "scripts", lambda: self.folder)
            await migrate(url)

    async def start(self, service: Service) -> None:
        """Start `service` as this version."""
        service.program = self.program
        await asyncio.to_thread(service.start)


@pytest.fixture
def stack(broker_url: str, database_url: str, amqp_prefix: str) -> Stack:
    return {"broker_url": broker_url, "database_url": database_url, "amqp_prefix": amqp_prefix}


async def test_a_worker_that_cannot_start_never_ends_those_that_serve(
    service: ServiceFactory, stack: Stack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The schema has moved on to one that this version cannot use; then a worker is killed. The other goes on, and
    SIGHUP leaves it alone. Once the new version is installed, SIGHUP replaces everything under the same pid.
    """
    installed, newer = Version(tmp_path / "installed"), Version(tmp_path / "newer")
    newer.upgrade('compatible_from = "9999"')
    running = await asyncio.to_thread(service, wait_ready=False, workers=2, env=DRAIN, **stack)
    running.kill()
    await installed.start(running)
    await _logs(running, "serving action=start", times=2)
    supervisor = running.process
    assert supervisor is not None
    async with _reading([running], count=6) as readers:
        async with _published([running]) as published:
            await newer.migrate(stack["database_url"], monkeypatch)
            workers = {one.pid for one in supervisor.descendants()}
            killed, serving = sorted(workers, key=_open_files)
            os.kill(killed, signal.SIGKILL)
            await _logs(running, "upgrade this one", times=2)
            supervisor.send(signal.SIGHUP)
            await _logs(running, "not reloaded, everything goes on")
            assert serving in {one.pid for one in supervisor.descendants()}
            installed.upgrade('compatible_from = "9999"')
            supervisor.send(signal.SIGHUP)
            await until(
                lambda: (
                    len({one.pid for one in supervisor.descendants()} - workers) == 2
                    and serving not in {one.pid for one in supervisor.descendants()}
                ),
                what="two new workers",
                within_s=30,
                every_s=0.1,
            )
        assert supervisor.alive
        await _seen_by_all(readers, published)
    await asyncio.to_thread(running.terminate, within_s=20)


def test_migrate_asks_before_it_leaves_running_versions_behind(database_url: str, tmp_path: Path) -> None:
    """Without a yes nothing is changed; and what is done already is not asked for."""
    asyncio.run(migrate(database_url))
    others = {name: value for name, value in os.environ.items() if not name.startswith("NOTIFY_SSE_")}
    env = others | {"NOTIFY_SSE_DATABASE_URL": database_url}

    def migrated(version: Version, *arguments: str, answer: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *version.program, "migrate", *arguments]
        return subprocess.run(command, env=env, input=answer, capture_output=True, text=True, check=False)

    breaking = Version(tmp_path / "breaking")
    breaking.upgrade('compatible_from = "9999"')
    refused = migrated(breaking)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "cannot start again?" in refused.stderr
    assert "nothing was changed" in refused.stderr
    assert migrated(breaking, answer="y\n").stdout == f"schema 9999 (before: {schema.expected_revision()})\n"
    assert migrated(breaking).stdout == "schema 9999: nothing to do\n"


async def test_one_process_starts_anew_on_its_socket(service: ServiceFactory) -> None:
    """SIGHUP without workers: the pid stays, nobody is refused, and readers go on where they were. SIGTERM behind
    another SIGHUP ends it: that is no time to start anew.
    """
    running = await asyncio.to_thread(service, env=DRAIN)
    pid = running.process
    assert pid is not None
    async with _reading([running]) as readers, Api(running) as api:
        async with _published([running]) as published:
            pid.send(signal.SIGHUP)
            while running.logged().count("serving action=start") < 2:  # a refused connection would raise
                assert (await api.http.get("/healthz", headers={"Connection": "close"})).status_code == 200
        assert pid.alive
        await _seen_by_all(readers, published)
        pid.send(signal.SIGHUP)
        await _logs(running, "draining", times=2)  # which takes a while: there are readers
        await asyncio.to_thread(running.terminate, within_s=30)


async def test_a_setting_that_is_wrong_by_now_stops_no_running_service(service: ServiceFactory, tmp_path: Path) -> None:
    """What would start anew is tried first."""
    key = tmp_path / "key.pem"
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    key.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    running = await asyncio.to_thread(service, env={"JWT_SECRET": "", "JWT_PUBLIC_KEY": str(key)})
    assert running.process is not None
    key.write_text("no key")
    running.process.send(signal.SIGHUP)
    await _logs(running, "not reloaded, everything goes on: notify-sse: NOTIFY_SSE_JWT_PUBLIC_KEY")
    async with Api(running) as api:
        assert (await api.http.get("/healthz")).status_code == 200
    await asyncio.to_thread(running.terminate, within_s=20)


@contextlib.asynccontextmanager
async def _published(services: Sequence[Service]) -> AsyncIterator[list[str]]:
    """Meanwhile one publishes for alice, one after the other, at whoever answers; the ids that were accepted."""
    accepted: list[str] = []
    ended = asyncio.Event()

    async def publish() -> None:
        token = services[0].token("a-publisher", scope="notifications:publish")
        async with httpx.AsyncClient(verify=False, timeout=5) as http:
            while not ended.is_set():
                name = f"n-{len(accepted)}"
                document = notification("alice", notification_id=name, payload={"n": len(accepted)})
                while True:
                    url = random.choice(services).url
                    with contextlib.suppress(httpx.HTTPError):
                        answer = await http.post(f"{url}/notifications", json=document, headers=bearer(token))
                        if answer.is_success:
                            break
                    await asyncio.sleep(0.05)
                accepted.append(name)
                await asyncio.sleep(0.01)

    publishing = asyncio.create_task(publish())
    try:
        yield accepted
        ended.set()
        await publishing
    finally:
        publishing.cancel()
        await asyncio.gather(publishing, return_exceptions=True)


@contextlib.asynccontextmanager
async def _reading(services: Sequence[Service], *, count: int = 2) -> AsyncIterator[list[ResumingReader]]:
    """`count` clients of alice at each, which come back after every drop."""
    readers = [
        ResumingReader(
            one.url + STREAM,
            name=f"{place}-{number}",
            recipient="alice",
            token=one.token("alice"),
            topics=(),
            chance=random.Random(number),
        )
        for place, one in enumerate(services)
        for number in range(count)
    ]
    running = [asyncio.create_task(one.run()) for one in readers]
    try:
        await until(lambda: all(one.position >= 0 for one in readers), what="every reader", within_s=15)
        yield readers
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _seen_by_all(readers: Sequence[ResumingReader], published: Sequence[str]) -> None:
    """Each has seen everything, once and in order, over at least one drop."""

    def ids(reader: ResumingReader) -> list[str]:
        return [one.notification_id for one in reader.record.sightings if isinstance(one, Seen)]

    await until(lambda: all(ids(one)[-1:] == [published[-1]] for one in readers), what="the last one", within_s=20)
    for reader in readers:
        assert ids(reader) == published
        assert reader.resumed


async def _logs(service: Service, text: str, *, times: int = 1) -> None:
    async def said() -> bool:
        return service.logged().count(text) >= times

    await eventually(said, what=f"{text!r} in the log", within_s=30, every_s=0.1)


def _open_files(pid: int) -> int:
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
