"""What `doctor` tells of RabbitMQ: what the user lacks of all that the service does there. It leaves nothing behind."""

import asyncio
from collections.abc import Iterator
from typing import Any

import aiormq
import pytest

from notify_sse.broker import diagnose
from notify_sse.broker.rabbitmq.topology import Topology
from notify_sse.core.ports import Finding
from tests.broker.brokers import running
from tests.broker.rabbitmq import Open
from tests.support.services import RabbitServer

USER = "doctors"


@pytest.fixture
def user_url(server: RabbitServer) -> Iterator[str]:
    """Of a user without any permission."""
    server.ctl("add_user", USER, "secret")
    yield server.url.replace("guest:guest", f"{USER}:secret")
    server.ctl("delete_user", USER)


async def told(url: str, prefix: str) -> dict[str, Finding]:
    return {one.check: one async for one in diagnose(url, prefix=prefix)}


async def everything(server: RabbitServer, prefix: str) -> set[str]:
    """All queues and exchanges; of those of `prefix` also how many messages and consumers they have."""
    queues = await asyncio.to_thread(server.ctl, "list_queues", "name", "messages", "consumers")
    exchanges = await asyncio.to_thread(server.ctl, "list_exchanges", "name")
    shown = [line if line.startswith(prefix) else line.partition("\t")[0] for line in queues.splitlines()]
    return {*shown, *exchanges.splitlines()}


async def test_what_a_user_may_not_do_is_named_with_the_command(
    open_broker: Open, server: RabbitServer, amqp_prefix: str, user_url: str
) -> None:
    """Permission by permission, where everything is there and where nothing is. Nothing is made, bound or consumed."""

    async def lacking(configure: str, write: str, read: str) -> str:
        await asyncio.to_thread(server.ctl, "set_permissions", USER, configure, write, read)
        found = (await told(user_url, amqp_prefix))["permissions"]
        assert (found.status == "ok") == (not found.advice)
        if found.advice:
            assert f"rabbitmqctl set_permissions --vhost / {USER} '^{amqp_prefix}'" in found.advice
        return found.detail.partition("may not: ")[2]

    every, none = f"^{amqp_prefix}", "^$"
    before = await everything(server, amqp_prefix)
    assert f"configure {amqp_prefix}.ingest" in await lacking(rf"{every}\.live", every, every)
    assert await lacking(every, every, every) == ""
    found = await told(user_url, amqp_prefix)
    assert (found["topology"].status, "not there yet" in found["topology"].detail) == ("ok", True)
    assert await everything(server, amqp_prefix) == before
    async with running(open_broker(), consumes=True):
        pass
    before = await everything(server, amqp_prefix)
    assert await lacking(rf"{every}\.live", every, every) == "", "looked for instead of declared"
    assert await lacking(none, every, every) == f"configure {amqp_prefix}.live.*"
    writes = await lacking(every, none, every)
    assert [f"write {amqp_prefix}{end}" in writes for end in ("", ".dlx", ".live")] == [True] * 3
    assert f"read {amqp_prefix}.ingest" in await lacking(every, every, none)
    assert "topology" not in await told(user_url, amqp_prefix)
    assert await everything(server, amqp_prefix) == before


async def test_nothing_is_asked_on_a_channel_after_a_publish_that_will_be_refused(
    server: RabbitServer, amqp_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A publish has no answer. A request right behind it could leave after aiormq's answer to the refusal; RabbitMQ
    ends the whole connection for it (`expected 'channel.open'`), and `doctor` said that the broker was lost.
    """
    published: set[aiormq.Channel] = set()
    asked: list[object] = []
    publish, rpc = aiormq.Channel.basic_publish, aiormq.Channel.rpc

    def publish_noted(channel: aiormq.Channel, *args: Any, **kwargs: Any) -> Any:
        published.add(channel)
        return publish(channel, *args, **kwargs)

    def rpc_noted(channel: aiormq.Channel, *args: Any, **kwargs: Any) -> Any:
        if channel in published:
            asked.append(args)
        return rpc(channel, *args, **kwargs)

    monkeypatch.setattr(aiormq.Channel, "basic_publish", publish_noted)
    monkeypatch.setattr(aiormq.Channel, "rpc", rpc_noted)
    assert (await told(server.url, amqp_prefix))["permissions"].status == "ok"
    assert len(published) == len(Topology(prefix=amqp_prefix).exchanges())
    assert asked == []


async def test_a_queue_of_another_kind_is_told(server: RabbitServer, amqp_prefix: str) -> None:
    """With what the broker says of it: the service would be refused in the same way, for ever."""
    connection = await aiormq.connect(server.url)
    channel = await connection.channel()
    await channel.queue_declare(f"{amqp_prefix}.ingest", durable=True)
    try:
        found = [one async for one in diagnose(server.url, prefix=amqp_prefix)]
    finally:
        await channel.queue_delete(f"{amqp_prefix}.ingest")
        await connection.close()
    [other] = [one for one in found if one.check == "topology" and one.status == "error"]
    assert f"'{amqp_prefix}.ingest'" in other.detail
    assert "NOTIFY_SSE_AMQP_PREFIX" in other.advice
