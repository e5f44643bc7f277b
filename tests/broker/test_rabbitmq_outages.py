"""RabbitMQ that goes away: lost connections of every kind, silence, alarms, absence at the start."""

import asyncio
import logging
import time
from typing import Any

import pytest
from aiormq.connection import TCPTransportFactory

from notify_sse.broker.rabbitmq.amqp_connection import CONNECT_TIMEOUT_S, AmqpConnection
from notify_sse.errors import BrokerUnavailable
from tests.broker.brokers import message, publishing, running, texts
from tests.broker.rabbitmq import Open, entered, passed, published, silent
from tests.support.polling import eventually, until
from tests.support.services import RabbitServer
from tests.support.tcp_proxy import tcp_proxy

pytestmark = pytest.mark.deadline(150)
"""A broker that has just started again may take long for a queue, on a slow machine."""


@pytest.mark.parametrize("lost", ["closed", "reset", "killed", "restarted"])
async def test_every_kind_of_loss_is_recovered_from(open_broker: Open, server: RabbitServer, lost: str) -> None:
    """Whatever ends the connection: nothing confirmed is lost, order holds, announcements flow again."""
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url), consumes=True, listens=True) as process:
            for number in range(5):
                await process.broker.publish(message(number))
            await process.takes(5)
            live_before = await asyncio.to_thread(_live_queues, server)
            match lost:
                case "closed":
                    await asyncio.to_thread(server.close_all_connections)
                case "reset":
                    proxy.cut()
                case "killed":
                    await asyncio.to_thread(server.kill)
                    await asyncio.to_thread(server.start)
                case "restarted":
                    await asyncio.to_thread(server.stop)
                    await asyncio.to_thread(server.start)
            again = (await process.takes(10))[5:]
            assert texts(again) == ["0", "1", "2", "3", "4"]
            await process.until(lambda: process.connects == 2)
            await process.broker.ack(again)
            await process.broker.announce(b"back")
            await process.until(lambda: process.announcements == [b"back"])
            assert len(live_before) == 1
            assert await asyncio.to_thread(_live_queues, server) - live_before, "no fresh queue for this connection"


def _live_queues(server: RabbitServer) -> set[str]:
    return {name for name in server.ctl("list_queues", "name").splitlines() if ".live." in name}


async def test_a_connection_that_is_lost_in_the_moment_it_is_made(
    open_broker: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its socket is closed before it is told how to notice a cut: a loss like others, and nothing unexpected."""
    create, lost = TCPTransportFactory.create, list[asyncio.StreamWriter]()

    async def created(*args: Any, **options: Any) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await create(*args, **options)
        if len(lost) < 2:
            lost.append(writer)
            writer.transport.abort()
            await until(lambda: writer.get_extra_info("socket").fileno() == -1, what="the socket's end")
        return reader, writer

    monkeypatch.setattr(TCPTransportFactory, "create", created)
    async with running(open_broker(), consumes=True, acks=True) as process:
        await published(process.broker, "after all")
        assert texts(await process.takes(1)) == ["after all"]
    assert len(lost) == 2
    assert not passed(caplog.records, "broker_error")


async def test_a_silent_network_is_noticed_and_left(open_broker: Open, server: RabbitServer) -> None:
    """No reset, no answer: publishes fail in their time, and a connection without heartbeats is given up."""
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url, publish_timeout_s=1), consumes=True, acks=True) as process:
            proxy.silence()
            began = time.monotonic()
            with pytest.raises(BrokerUnavailable):
                await process.broker.publish(message("into the void"))
            assert time.monotonic() - began < 6, "ten seconds, were it not told otherwise"
            await until(lambda: not process.broker.connected, within_s=20)
            proxy.resume()
            await process.until(lambda: process.connects == 2)
            await process.broker.publish(message("heard"))
            await process.until(lambda: "heard" in process.heard)


async def test_a_frozen_broker_fails_publishes_in_their_time(open_broker: Open, server: RabbitServer) -> None:
    """And after it thaws the same publish goes through."""
    async with running(open_broker(publish_timeout_s=1), consumes=True, acks=True) as process:
        server.freeze()
        with pytest.raises(BrokerUnavailable):
            await process.broker.publish(message("x"))
        server.thaw()
        await published(process.broker, "x")
        await process.until(lambda: "x" in process.heard)


async def test_a_memory_alarm_fails_publishes_in_their_time_and_stops_nothing_else(
    open_broker: Open, server: RabbitServer
) -> None:
    """Announcing refuses at once, consuming and acking go on, and all is well once the alarm is over."""
    async with running(open_broker(publish_timeout_s=1), consumes=True, listens=True) as process:
        for number in range(3):
            await process.broker.publish(message(number))
        await process.takes(3)
        await asyncio.to_thread(server.raise_memory_alarm)
        try:
            with pytest.raises(BrokerUnavailable):
                await process.broker.publish(message("blocked"))
            began = time.monotonic()
            for _ in range(1000):
                with pytest.raises(BrokerUnavailable):
                    await process.broker.announce(b"x" * 10_000)
            assert time.monotonic() - began < 6
            await process.broker.ack(process.deliveries)
            async with running(open_broker(), consumes=True) as late:
                assert late.heard == []
        finally:
            await asyncio.to_thread(server.clear_memory_alarm)
        await published(process.broker, "after")
        await process.until(lambda: "after" in process.heard)
        await process.broker.announce(b"after")
        await process.until(lambda: process.announcements[-1:] == [b"after"])


async def test_announcing_never_waits_for_a_broker_that_does_not_read(open_broker: Open, server: RabbitServer) -> None:
    """Not even before the broker says that it blocks us: what it does not take is refused, and memory stays bounded."""
    async with running(open_broker(), listens=True) as process:
        server.freeze()
        try:
            refused = 0
            began = time.monotonic()
            for _ in range(400):
                try:
                    await process.broker.announce(b"x" * 100_000)
                except BrokerUnavailable:
                    refused += 1
                await asyncio.sleep(0)
            assert time.monotonic() - began < 10
            assert refused > 200
        finally:
            server.thaw()


async def test_announcing_while_disconnected_refuses_at_once(open_broker: Open, server: RabbitServer) -> None:
    """From when its connection is known to be lost. Disconnected it counts already when the other one is."""

    async def refused() -> bool:
        async with asyncio.timeout(6):
            try:
                await process.broker.announce(b"x")
            except BrokerUnavailable:
                return True
        return False

    async with running(open_broker(), listens=True) as process:
        await asyncio.to_thread(server.kill)
        await eventually(refused, within_s=30)
        assert not process.broker.connected


async def test_an_outage_is_told_once_and_its_end_once(
    open_broker: Open, server: RabbitServer, caplog: pytest.LogCaptureFixture
) -> None:
    """For both connections together, over however many attempts; with how long it lasted."""
    caplog.set_level(logging.INFO, logger="notify_sse")
    async with tcp_proxy(server.port) as proxy:
        url = f"amqp://guest:guest@127.0.0.1:{proxy.port}/"
        async with running(open_broker(url), consumes=True) as process:
            caplog.clear()
            await asyncio.to_thread(server.kill)
            await proxy.attempts(8)
            await asyncio.to_thread(server.start)
            await process.until(lambda: process.connects == 2)
    assert len(passed(caplog.records, "away")) == 1
    (back,) = passed(caplog.records, "back")
    assert vars(back)["outage_s"] > 1


async def test_a_broker_that_is_slow_with_a_queue_is_not_asked_again_meanwhile(
    open_broker: Open, server: RabbitServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Right after its start it takes seconds for a consumer: who gives up and connects anew makes that longer."""
    consume = AmqpConnection.consume
    async with tcp_proxy(server.port) as proxy:
        broker = open_broker(f"amqp://guest:guest@127.0.0.1:{proxy.port}/")

        async def slowly(*args: Any, **options: Any) -> Any:
            await broker.dead_letters(limit=1)  # The other connection is up: no request of it is under way.
            proxy.silence()
            asyncio.get_running_loop().call_later(CONNECT_TIMEOUT_S + 1.5, proxy.resume)
            return await consume(*args, **options)

        monkeypatch.setattr(AmqpConnection, "consume", slowly)
        async with running(broker, consumes=True):
            assert proxy.accepted == 2


async def test_a_broker_that_is_down_at_the_start_is_waited_for(open_broker: Open, server: RabbitServer) -> None:
    """start() returns at once; everything begins when the broker does."""
    await asyncio.to_thread(server.kill)
    broker = open_broker()
    began = time.monotonic()
    opened = asyncio.create_task(entered(broker))
    await asyncio.sleep(0)
    assert time.monotonic() - began < 4
    await asyncio.to_thread(server.start)
    await opened


async def test_stopping_while_connecting_keeps_nobody_from_consuming(
    open_broker: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that is told to stop in the very moment in which it becomes the active consumer gives that up."""
    stopping = open_broker()
    consume = AmqpConnection.consume

    async def consume_and_be_stopped(connection: AmqpConnection, *args: Any, **options: Any) -> Any:
        close_channel = await consume(connection, *args, **options)
        monkeypatch.undo()
        await stopping.stop_consuming()
        return close_channel

    monkeypatch.setattr(AmqpConnection, "consume", consume_and_be_stopped)
    async with (
        running(stopping, consumes=True) as one,
        running(open_broker(), consumes=True, acks=True) as two,
        publishing(two.broker, message("later")),
    ):
        await two.takes(1)
    assert one.deliveries == []


async def test_closing_while_connecting_ends_at_once(open_broker: Open) -> None:
    """At any moment of the connect; nothing is left running."""
    for pause_s in (0, 0.001, 0.005, 0.01, 0.02, 0.03, 0.04, 0.06):
        broker = open_broker()
        await broker.start(silent())
        await asyncio.sleep(pause_s)
        async with asyncio.timeout(5):
            await broker.close()
