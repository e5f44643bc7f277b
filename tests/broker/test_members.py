"""A queue that was made before its cluster grew: told with the command that mends it. On two real nodes."""

import asyncio
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from notify_sse.broker import DEFAULT_PREFIX, diagnose, look_at_members, open_broker
from notify_sse.broker.rabbitmq import members
from notify_sse.core.ports import Finding, Listener
from notify_sse.server import members_watch
from notify_sse.server.members_watch import MembersWatch
from tests.support.doubles import running
from tests.support.polling import eventually, until
from tests.support.services import InstalledRabbit, ensure, free_port, private_directory


class ManagedNode(InstalledRabbit):
    """A node with the management API. With `first`, it shares that one's cookie and epmd, so that it can join it."""

    def __init__(self, directory: Path, *, first: "ManagedNode | None" = None) -> None:
        super().__init__(directory)
        self.management_port = free_port()
        self._first = first
        if first:
            self.epmd, self._epmd_port = first.epmd, first._epmd_port

    def join(self) -> None:
        assert self._first
        for command in (("stop_app",), ("join_cluster", self._first._node), ("start_app",)):
            self.ctl(*command)

    def carry_out(self, commands: str) -> None:
        """What the advice says, on this node."""
        for command in commands.split("; "):
            name, *arguments = shlex.split(command)
            program = [str(self._scripts / name), "-q", "-n", self._node, *arguments]
            subprocess.run(program, env=self._env(), cwd=self.directory, check=True, capture_output=True)

    @property
    def management_url(self) -> str:
        return f"http://guest:guest@127.0.0.1:{self.management_port}"

    @property
    def name(self) -> str:
        return self._node

    def cut(self) -> None:
        """End it at once: nothing of it is needed any more."""
        for process in (self.process, None if self._first else self.epmd):
            if process:
                process.kill()

    def _write_configuration(self) -> None:
        super()._write_configuration()
        with (self.directory / "rabbitmq.conf").open("a") as conf:
            conf.write(f"management.tcp.ip = 127.0.0.1\nmanagement.tcp.port = {self.management_port}\n")
        (self.directory / "enabled_plugins").write_text("[rabbitmq_management].\n")
        if self._first:
            cookie = self._first.directory / "home" / ".erlang.cookie"
            shutil.copy(cookie, self.directory / "home" / ".erlang.cookie")


@pytest.fixture
def nodes() -> Iterator[tuple[ManagedNode, ManagedNode]]:
    """Two nodes that are not a cluster yet."""
    ensure("rabbitmq")
    directory = private_directory()
    first = ManagedNode(directory / "first")
    second = None
    try:
        first.start()
        second = ManagedNode(directory / "second", first=first)
        second.start()
        yield first, second
    finally:
        for node in (second, first):
            if node:
                node.cut()
        shutil.rmtree(directory)


@pytest.mark.deadline(120)
async def test_queues_on_fewer_nodes_than_the_cluster_has_are_named(
    nodes: tuple[ManagedNode, ManagedNode], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By `doctor`, and by a running service, though it connected before the second node joined. The command that is
    named mends it.
    """
    monkeypatch.setattr(members_watch, "EVERY_S", 0.1)
    first, second = nodes
    broker = open_broker(first.url)
    watch = MembersWatch(partial(_found, first))
    connected = asyncio.Event()
    await broker.start(Listener(on_connected=connected.set, on_delivery=lambda _: None))
    try:
        await asyncio.wait_for(connected.wait(), 30)
        assert (await _found(first)).detail.startswith("1 nodes")
        async with running(watch.run()):
            watch.connected()
            await asyncio.to_thread(second.join)
            await until(lambda: caplog.records, within_s=30)
            await eventually(lambda: _is_ok(first, False))
            finding = await _found(first)
            for part in ("2 nodes", "notifications.ingest (1)", "notifications.dead (1)"):
                assert part in finding.detail
            found = [one async for one in diagnose(first.url, management_url=first.management_url)]
            assert finding in found
            errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
            await asyncio.to_thread(first.carry_out, finding.advice.partition(": ")[2])
            await eventually(lambda: _is_ok(first, True))
    finally:
        await broker.close()
    assert set(errors) == {f"{finding.detail}; {finding.advice}"}


async def _found(node: ManagedNode) -> Finding:
    return await look_at_members(node.url, prefix=DEFAULT_PREFIX, management_url=node.management_url)


async def _is_ok(node: ManagedNode, wanted: bool) -> bool:
    return ((await _found(node)).status == "ok") is wanted


async def test_without_the_management_api_it_says_how_to_ask(free_port: int) -> None:
    """It is away, or what answers is something else: a finding, never an exception, and no password in it."""
    url = f"http://user:sec%2Fret@127.0.0.1:{free_port}"
    finding = await look_at_members("amqp://guest:guest@127.0.0.1", prefix="notifications", management_url=url)
    assert (finding.check, finding.status) == ("members", "ok")
    assert "NOTIFY_SSE_BROKER_MANAGEMENT_URL" in finding.advice
    assert "sec" not in finding.detail + finding.advice


@pytest.mark.parametrize(
    ("broker_url", "guessed", "vhost"),
    [
        ("amqp://u:p@mq", "http://u:p@mq:15672", "/"),
        ("amqps://u:p%40@mq:5671/", "https://u:p%40@mq:15671", "/"),
        ("amqp://[::1]:5672/a%2Fb", "http://[::1]:15672", "a/b"),
    ],
)
def test_where_the_management_api_usually_is(broker_url: str, guessed: str, vhost: str) -> None:
    assert members.default_url(broker_url) == guessed
    assert members.vhost_of(broker_url) == vhost


async def test_a_state_is_told_once(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """And again when it is another one, or came back."""
    monkeypatch.setattr(members_watch, "EVERY_S", 0.001)
    error, ok = Finding("members", "error", "one"), Finding("members", "ok", "fine")
    unknown = Finding("members", "ok", "does not tell", "ask otherwise")
    looks = iter([error, error, unknown, error, ok, error, error])
    looked = 0

    async def look() -> Finding:
        nonlocal looked
        looked += 1
        await asyncio.sleep(0)
        return next(looks, ok)

    watch = MembersWatch(look)
    async with running(watch.run()):
        watch.connected()
        await until(lambda: looked > 7)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == ["one; ", "one; "]
