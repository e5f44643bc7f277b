"""Confirms, read off a wire made by hand: every way in which RabbitMQ may answer what was published."""

import asyncio
from typing import Any, cast

import pytest
from pamqp import commands, frame, header

from notify_sse.broker.rabbitmq.confirms import Confirms
from notify_sse.broker.rabbitmq.wire import METHOD, FrameTap, Wire
from notify_sse.core.ports import Message
from notify_sse.errors import BrokerUnavailable

CHANNEL = 7


class HandWire:
    """Keeps what is written, and gives frames to the tap."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []

    def write(self, frames: bytes) -> None:
        self.writes.append(frames)

    def tap(self, channel_number: int, tap: FrameTap) -> None:
        assert channel_number == CHANNEL
        self._tap = tap

    def receives(self, method: Any) -> bool:
        raw = frame.marshal(method, CHANNEL)
        return self._tap.take(METHOD, raw[7:-1])

    def frames(self) -> list[Any]:
        """What was written, read by another codec."""
        raw, found = b"".join(self.writes), []
        while raw:
            size, channel, one = frame.unmarshal(raw)
            assert channel == CHANNEL
            found.append(one)
            raw = raw[size:]
        return found


class Bench:
    def __init__(self, frame_max: int = 0) -> None:
        self.wire = HandWire()
        self.returned: list[BrokerUnavailable] = []
        wire = cast("Wire", self.wire)
        self.confirms = Confirms(wire, CHANNEL, frame_max=frame_max, on_returned=self.returned.append)

    def publish(self, *texts: str) -> list["asyncio.Future[None]"]:
        made = [Message(body=text.encode(), routing_key="key", message_id="same") for text in texts]
        return [self.confirms.publish("ex", one, {}) for one in made]


def done(futures: list["asyncio.Future[None]"]) -> list[bool]:
    return [future.done() for future in futures]


async def test_each_is_confirmed_by_its_own_tag_in_any_order() -> None:
    """Also where all have one message_id."""
    bench = Bench()
    published = bench.publish("a", "b", "c")
    assert bench.wire.receives(commands.Basic.Ack(2))
    assert done(published) == [False, True, False]
    assert bench.wire.receives(commands.Basic.Ack(1))
    assert bench.wire.receives(commands.Basic.Ack(3))
    assert done(published) == [True] * 3
    await asyncio.gather(*published)


async def test_one_answer_may_confirm_all_up_to_it_and_no_more() -> None:
    """And may come again for what was confirmed before."""
    bench = Bench()
    published = bench.publish("a", "b", "c", "d")
    bench.wire.receives(commands.Basic.Ack(2))
    bench.wire.receives(commands.Basic.Ack(3, multiple=True))
    assert done(published) == [True, True, True, False]
    bench.wire.receives(commands.Basic.Ack(3, multiple=True))
    assert done(published) == [True, True, True, False]


async def test_a_nack_is_a_failure_of_that_message_alone() -> None:
    bench = Bench()
    published = bench.publish("a", "b")
    bench.wire.receives(commands.Basic.Nack(1))
    bench.wire.receives(commands.Basic.Ack(2))
    with pytest.raises(BrokerUnavailable, match="refused to store"):
        await published[0]
    await published[1]
    assert not bench.returned


async def test_a_returned_message_fails_what_waits_before_its_confirm_comes() -> None:
    """RabbitMQ confirms what it returned, and a return does not say which of two messages it was."""
    bench = Bench()
    published = bench.publish("a", "b")
    assert bench.wire.receives(commands.Basic.Return(312, "NO_ROUTE", "ex", "key"))
    assert bench.wire.receives(commands.Basic.Ack(2, multiple=True))
    for one in published:
        with pytest.raises(BrokerUnavailable, match="no queue takes what is published to ex:"):
            await one
    assert len(bench.returned) == 1
    with pytest.raises(BrokerUnavailable):
        bench.publish("c")


async def test_a_lost_connection_fails_what_waits_and_what_comes_later() -> None:
    """What was given up meanwhile is passed over."""
    bench = Bench()
    published = bench.publish("a", "b")
    published[0].cancel()
    bench.confirms.lose("lost")
    with pytest.raises(BrokerUnavailable, match="lost"):
        await published[1]
    with pytest.raises(BrokerUnavailable, match="lost"):
        bench.publish("c")
    await asyncio.sleep(0)
    assert not bench.wire.writes


async def test_a_confirm_for_what_was_given_up_is_passed_over() -> None:
    bench = Bench()
    published = bench.publish("a", "b")
    published[0].cancel()
    bench.wire.receives(commands.Basic.Ack(1))
    bench.wire.receives(commands.Basic.Ack(2))
    await published[1]


async def test_those_of_one_turn_leave_in_one_write_as_another_codec_reads_them() -> None:
    """Every property, headers too, and a body in frames no larger than agreed."""
    bench = Bench(frame_max=4096)
    body = bytes(range(256)) * 40
    told = Message(body, "k" * 255, "i" * 255, content_type="application/msgpack", content_encoding="gzip")
    bench.confirms.publish("ex", told, {"x-notify-reason": "malformed", "n": 1})
    bench.confirms.publish("ex", Message(b"", "key", "id"), {})
    await asyncio.sleep(0)
    assert len(bench.wire.writes) == 1
    method, content, *rest = bench.wire.frames()
    assert (method.exchange, method.routing_key, method.mandatory) == ("ex", "k" * 255, True)
    properties = content.properties
    assert isinstance(content, header.ContentHeader)
    assert content.body_size == len(body)
    assert (properties.content_type, properties.content_encoding) == ("application/msgpack", "gzip")
    assert (properties.message_id, properties.delivery_mode) == ("i" * 255, 2)
    assert properties.headers == {"x-notify-reason": "malformed", "n": 1}
    bodies, (second, empty) = rest[:-2], rest[-2:]
    assert [len(one.value) for one in bodies] == [4088, 4088, 2064]
    assert b"".join(one.value for one in bodies) == body
    assert (second.routing_key, empty.body_size, empty.properties.headers) == ("key", 0, None)


async def test_other_methods_are_left_to_the_library() -> None:
    bench = Bench()
    assert not bench.wire.receives(commands.Channel.Close(404, "NOT_FOUND", 60, 40))
    assert not bench.wire.receives(commands.Channel.Flow(False))


async def test_a_text_too_long_for_amqp_is_an_error_before_anything_is_sent() -> None:
    bench = Bench()
    with pytest.raises(ValueError, match="range"):
        bench.confirms.publish("ex", Message(b"", "k" * 256, "id"), {})
    published = bench.publish("a")
    bench.wire.receives(commands.Basic.Ack(1))
    await published[0]
