"""The promises of the `Broker` port, on both adapters: the same tests."""

import asyncio
from collections.abc import Sequence, Sized
from functools import partial

import msgspec
import pytest

from notify_sse.broker import open_broker
from notify_sse.core.model import TraceContext
from notify_sse.core.ports import Broker, Queued
from notify_sse.errors import BadConfiguration, BrokerUnavailable
from tests.broker.brokers import (
    KEY,
    Brokers,
    MemoryBrokers,
    Process,
    RabbitMQBrokers,
    message,
    publishing,
    running,
    texts,
)
from tests.support.polling import eventually


async def test_messages_are_delivered_whole_and_in_order(brokers: Brokers) -> None:
    """Queue order is publish order, and nothing of a message changes on its way."""
    async with running(brokers.open(), consumes=True, acks=True) as process:
        async with publishing(process.broker, *(message(number) for number in range(1000))):
            await process.takes(1000)
        assert process.heard == [str(number) for number in range(1000)]
        first = process.deliveries[0]
        assert (first.routing_key, first.content_type, first.message_id) == (KEY, "application/json", "0")
        assert not first.redelivered


async def test_many_are_published_in_order_with_the_outcome_of_each(brokers: Brokers) -> None:
    """Also where two have one message_id."""
    async with running(brokers.open(), consumes=True, acks=True) as process:
        many = [message(number) for number in range(500)]
        outcomes = await process.broker.publish_many([*many, many[0]])
        assert outcomes == [None] * 501
        await process.takes(501)
        assert process.heard == [*map(str, range(500)), "0"]
        assert await process.broker.publish_many([]) == []
    outcomes = await process.broker.publish_many(many[:2])
    assert [type(outcome) for outcome in outcomes] == [BrokerUnavailable] * 2


async def test_what_was_confirmed_survives_a_lost_connection(brokers: Brokers) -> None:
    """A message that was delivered and not acked comes again, in its place, marked as redelivered."""
    async with running(brokers.open(), consumes=True) as process:
        waiting = [asyncio.create_task(process.broker.publish(message(number))) for number in range(3)]
        await process.takes(3)
        await brokers.cut(process)
        again = (await process.takes(6))[3:]
        assert texts(again) == ["0", "1", "2"]
        assert all(delivery.redelivered for delivery in again)
        await process.broker.ack(again)
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_that_deliveries_went_back_is_told_before_they_come_again(brokers: Brokers) -> None:
    """Whoever keeps deliveries forgets them then, and nothing of the next connection with them."""
    async with running(brokers.open(), consumes=True) as process:
        waiting = [asyncio.create_task(process.broker.publish(message(number))) for number in range(3)]
        await process.takes(3)
        await brokers.cut(process)
        again = (await process.takes(6))[3:]
        assert process.returned_at == [3]
        await process.broker.ack(again)
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_a_pause_gives_back_what_is_not_acked_until_it_is_over(brokers: Brokers) -> None:
    """In its place in the queue, once, and not to a new connection either."""
    async with running(brokers.open(), consumes=True) as process:
        waiting = [asyncio.create_task(process.broker.publish(message(number))) for number in range(4)]
        first = await process.takes(4)
        await process.broker.ack(first[:1])
        for _ in range(2):
            await process.broker.pause_consuming()
        assert process.returned_at == [4]
        await process.broker.ack(first[1:])
        await brokers.cut(process) if isinstance(brokers, RabbitMQBrokers) else None
        await process.until(lambda: process.connects == (2 if isinstance(brokers, RabbitMQBrokers) else 1))
        assert process.heard == ["0", "1", "2", "3"]
        for _ in range(2):
            await process.broker.resume_consuming()
        again = (await process.takes(7))[4:]
        assert texts(again) == ["1", "2", "3"]
        await process.broker.ack(again)
        await asyncio.gather(*waiting, return_exceptions=True)
    assert process.heard == ["0", "1", "2", "3", "1", "2", "3"]


async def test_a_pause_lets_another_process_consume(brokers: Brokers) -> None:
    """And whoever was told to stop does not take it up again."""
    async with (
        running(brokers.open(), consumes=True) as one,
        running(brokers.open(), consumes=True, acks=True) as two,
    ):
        waiting = asyncio.create_task(one.broker.publish(message("a")))
        await one.takes(1)
        await one.broker.pause_consuming()
        await two.takes(1)
        await waiting
        await one.broker.stop_consuming()
        await one.broker.resume_consuming()
        await two.settled()
        await two.broker.stop_consuming()
        unread = asyncio.create_task(one.broker.publish(message("b")))
        await asyncio.wait([unread], timeout=0.2)
        unread.cancel()
        await asyncio.gather(unread, return_exceptions=True)
    assert one.heard == ["a"]


async def test_what_was_acked_does_not_come_again(brokers: Brokers) -> None:
    """Acks name single messages: a later one does not ack an earlier one with it."""
    async with running(brokers.open(), consumes=True) as process:
        waiting = [asyncio.create_task(process.broker.publish(message(number))) for number in range(6)]
        first = await process.takes(6)
        await process.broker.ack([first[0], first[1], first[3], first[5]])
        await brokers.cut(process)
        again = (await process.takes(8))[6:]
        assert texts(again) == ["2", "4"]
        await process.broker.ack(again)
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_acks_in_any_order_and_grouping_ack_exactly_what_they_name(brokers: Brokers) -> None:
    """Whatever way 60 messages are acked in, in the end all are, and none comes again after a lost connection."""
    async with running(brokers.open(), consumes=True) as process:
        async with publishing(process.broker, *(message(number) for number in range(60))):
            got = await process.takes(60)
            await process.broker.ack([])
            await process.broker.ack(got[50:])
            await process.broker.ack(got[0:40:3])
            await process.broker.ack(got[:20])
            await process.broker.ack(list(reversed(got[20:50])))
        await brokers.cut(process)
        await process.until(lambda: process.connects == 2)
        async with publishing(process.broker, message("last")):
            await process.takes(61)
            await process.broker.ack(process.deliveries[60:])
        assert process.heard[60:] == ["last"]


async def test_acks_of_a_lost_connection_are_skipped(brokers: Brokers) -> None:
    """They do no harm, also beside acks of the present connection: the messages come again instead."""
    async with running(brokers.open(), consumes=True) as process:
        waiting = [asyncio.create_task(process.broker.publish(message(number))) for number in range(3)]
        old = await process.takes(3)
        await brokers.cut(process)
        await process.takes(6)
        await process.broker.ack([*old, process.deliveries[3]])
        await brokers.cut(process)
        again = (await process.takes(8))[6:]
        assert texts(again) == ["1", "2"]
        await process.broker.ack(again)
        await asyncio.gather(*waiting, return_exceptions=True)


async def test_unacked_deliveries_are_bounded_by_prefetch(brokers: Brokers) -> None:
    """No more than `prefetch` are out at a time; each ack lets the next come."""
    async with running(brokers.open(prefetch=2), consumes=True) as process:
        async with publishing(process.broker, *(message(number) for number in range(5))):
            await process.takes(2)
            for number in range(5):
                await process.until(partial(_has, process.deliveries, min(5, number + 2)))
                await process.broker.ack([process.deliveries[number]])
        assert process.heard == ["0", "1", "2", "3", "4"]


async def test_a_refused_message_is_kept_with_its_reason(brokers: Brokers) -> None:
    """It moves to the dead letters whole, and the messages around it are delivered as ever."""
    async with running(brokers.open(), consumes=True) as process:
        await _refuse(process, "bad", reason="too_deep", detail="is nested over 32 levels")
        async with publishing(process.broker, message("good")):
            await process.broker.ack((await process.takes(2))[1:])
        (letter,) = await process.broker.dead_letters(limit=10)
        assert (letter.body, letter.routing_key, letter.message_id) == (b"bad", KEY, "bad")
        assert (letter.reason, letter.detail) == ("too_deep", "is nested over 32 levels")
        assert letter.content_type == "application/json"
        assert letter.died_at


async def test_looking_at_dead_letters_leaves_them_in_order(brokers: Brokers) -> None:
    """Also after it is done more often than RabbitMQ 4 would deliver a message by default."""
    async with running(brokers.open(), consumes=True) as process:
        for number in range(5):
            await _refuse(process, str(number), reason="malformed", detail="")
        for _ in range(25):
            seen = await process.broker.dead_letters(limit=3)
            assert [letter.body for letter in seen] == [b"0", b"1", b"2"]
        assert len(await process.broker.dead_letters(limit=100)) == 5


async def test_replayed_dead_letters_are_delivered_again(brokers: Brokers) -> None:
    """The oldest first, as they were published, each leaving the dead letters; at most as many as asked for."""
    async with running(brokers.open(), consumes=True) as process:
        for number in range(3):
            await _refuse(process, str(number), reason="malformed", detail="")
        replay = asyncio.create_task(process.broker.replay_dead_letters(limit=2))
        for place in (3, 4):
            await process.takes(place + 1)
            await process.broker.ack([process.deliveries[place]])
        assert await replay == 2
        again = process.deliveries[3:]
        assert [(each.body, each.routing_key, each.message_id) for each in again] == [
            (b"0", KEY, "0"),
            (b"1", KEY, "1"),
        ]
        assert [letter.body for letter in await process.broker.dead_letters(limit=9)] == [b"2"]


async def test_a_dead_letter_that_is_refused_again_does_not_make_replay_endless(brokers: Brokers) -> None:
    """Replay takes what was there when it began."""
    async with running(brokers.open(), consumes=True) as process:
        await _refuse(process, "bad", reason="malformed", detail="")
        replay = asyncio.create_task(process.broker.replay_dead_letters(limit=1000))
        again = (await process.takes(2))[1]
        await process.broker.dead_letter(again, reason="malformed", detail="still")
        await process.broker.ack([again])
        assert await replay == 1
        assert [letter.detail for letter in await process.broker.dead_letters(limit=9)] == ["still"]
        assert len(process.deliveries) == 2


async def test_chosen_dead_letters_are_replayed_or_removed_and_the_others_stay(brokers: Brokers) -> None:
    """Wherever they are in the queue; those that were looked at are there again when it returns."""
    async with running(brokers.open(), consumes=True) as process:
        for number in range(5):
            await _refuse(process, str(number), reason="malformed" if number % 2 else "too_deep", detail="")
        replay = asyncio.create_task(
            process.broker.replay_dead_letters(limit=2, chosen=lambda letter: letter.reason == "too_deep")
        )
        for place in (5, 6):
            await process.takes(place + 1)
            await process.broker.ack([process.deliveries[place]])
        assert await replay == 2
        assert sorted(letter.body for letter in await process.broker.dead_letters(limit=9)) == [b"1", b"3", b"4"]
        assert await process.broker.purge_dead_letters(chosen=lambda letter: letter.body == b"3") == 1
        assert sorted(letter.body for letter in await process.broker.dead_letters(limit=9)) == [b"1", b"4"]
        assert await process.broker.purge_dead_letters(chosen=lambda letter: letter.body == b"nosuch") == 0


async def test_a_message_keeps_its_trace(brokers: Brokers) -> None:
    """As a dead letter and when it is replayed, too; one without has none."""
    trace = TraceContext("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", "shop=1,other=x")
    async with running(brokers.open(), consumes=True) as process:
        async with publishing(process.broker, msgspec.structs.replace(message("traced"), trace=trace)):
            delivery = (await process.takes(1))[0]
            await process.broker.dead_letter(delivery, reason="malformed", detail="")
            await process.broker.ack([delivery])
        (letter,) = await process.broker.dead_letters(limit=9)
        replay = asyncio.create_task(process.broker.replay_dead_letters(limit=1))
        await process.broker.ack([(await process.takes(2))[1]])
        assert await replay == 1
        async with publishing(process.broker, message("plain")):
            await process.broker.ack([(await process.takes(3))[2]])
        assert [each.trace for each in process.deliveries] == [trace, trace, None]
        assert letter.trace == trace


async def test_a_message_keeps_the_time_at_which_it_was_sent(brokers: Brokers) -> None:
    """As a dead letter and when it is replayed, too."""
    async with running(brokers.open(), consumes=True) as process:
        sent = msgspec.structs.replace(message("late"), timestamp=1_700_000_000)
        async with publishing(process.broker, sent):
            delivery = (await process.takes(1))[0]
            await process.broker.dead_letter(delivery, reason="malformed", detail="")
            await process.broker.ack([delivery])
        replay = asyncio.create_task(process.broker.replay_dead_letters(limit=1))
        again = (await process.takes(2))[1]
        await process.broker.ack([again])
        assert await replay == 1
        assert [each.timestamp for each in process.deliveries] == [1_700_000_000] * 2


async def test_purge_removes_every_dead_letter(brokers: Brokers) -> None:
    async with running(brokers.open(), consumes=True) as process:
        for number in range(3):
            await _refuse(process, str(number), reason="malformed", detail="")
        assert await process.broker.purge_dead_letters() == 3
        assert await process.broker.dead_letters(limit=9) == []
        assert await process.broker.replay_dead_letters(limit=9) == 0


async def test_how_much_waits_in_the_queues(brokers: Brokers) -> None:
    """What is handed over and not acked does not wait there."""
    async with running(brokers.open(), consumes=True) as process:
        assert await process.broker.queued() == Queued(ingest=0, dead=0)
        for number in range(3):
            await _refuse(process, str(number), reason="malformed", detail="")

        async def dead() -> bool:
            return await process.broker.queued() == Queued(ingest=0, dead=3)

        await eventually(dead, what="the dead letters to be counted")


async def test_announcements_reach_every_listener_in_order(brokers: Brokers) -> None:
    """The announcing process too; and none that did not ask for them."""
    async with (
        running(brokers.open(), listens=True) as one,
        running(brokers.open(), listens=True, consumes=True) as two,
        running(brokers.open(), consumes=True) as deaf,
    ):
        sent = [str(number).encode() for number in range(300)]
        for body in sent:
            await one.broker.announce(body)
            await asyncio.sleep(0)
        for process in (one, two):
            await process.until(partial(_has, process.announcements, 300))
            assert process.announcements == sent
        assert deaf.announcements == []


async def test_everything_flows_again_once_connected_is_called(brokers: Brokers) -> None:
    """After a loss `on_connected` says so, and an announcement made from then on arrives."""
    async with running(brokers.open(), consumes=True, listens=True, acks=True) as process:
        for loss in (2, 3):
            await brokers.cut(process)
            await process.until(partial(_connected_for, process, loss))
            assert process.broker.connected
            await process.broker.announce(b"%d" % loss)
            async with publishing(process.broker, message(loss)):
                await process.until(partial(_ends_with, process.announcements, b"%d" % loss))
                await process.until(partial(_heard_last, process, str(loss)))


async def test_prefixes_keep_deployments_apart(brokers: Brokers) -> None:
    async with (
        running(brokers.open(), consumes=True, listens=True, acks=True) as one,
        running(brokers.open(prefix="-other"), consumes=True, listens=True, acks=True) as other,
    ):
        await one.broker.announce(b"one")
        async with publishing(one.broker, message("one")):
            await one.takes(1)
        async with publishing(other.broker, message("other")):
            await other.takes(1)
        await one.until(lambda: one.announcements == [b"one"])
        assert (one.heard, other.heard, other.announcements) == (["one"], ["other"], [])


async def test_one_process_consumes_at_a_time(brokers: Brokers) -> None:
    """The next takes over when the first is gone, from the first message that was not acked, in order."""
    first = brokers.open()
    async with running(first, consumes=True) as one, running(brokers.open(), consumes=True, acks=True) as two:
        async with publishing(two.broker, *(message(number) for number in range(10))):
            await one.takes(10)
            assert two.heard == []
            await first.ack(one.deliveries[:4])
            await first.close()
            await two.takes(6)
        assert two.heard == ["4", "5", "6", "7", "8", "9"]


async def test_a_process_that_stops_hands_over_only_once_it_is_done(brokers: Brokers) -> None:
    """Nothing is delivered elsewhere while the stopping process still has messages in hand: the next process would
    store later ones of a recipient before earlier ones."""
    async with running(brokers.open(), consumes=True) as one, running(brokers.open(), consumes=True, acks=True) as two:
        async with publishing(two.broker, *(message(number) for number in range(10))):
            await one.takes(10)
            await one.broker.stop_consuming()
            await one.broker.ack(one.deliveries[:9])
            later = asyncio.create_task(two.broker.publish(message("later")))
            await two.broker.purge_dead_letters()  # a round trip to the broker: what was to come would be here
            await one.broker.purge_dead_letters()
            assert (len(one.deliveries), two.heard) == (10, [])
            await one.broker.ack(one.deliveries[9:])
            await two.takes(1)
            await later
        assert (len(one.deliveries), two.heard, one.connects) == (10, ["later"], 1)


async def test_a_process_that_stopped_does_not_consume_after_a_reconnect(brokers: Brokers) -> None:
    async with running(brokers.open(), consumes=True) as one:
        await one.broker.stop_consuming()
        if not isinstance(brokers, MemoryBrokers):  # which comes back only by a new start
            await brokers.cut(one)
            await one.until(lambda: one.connects == 2)
        async with (
            running(brokers.open(), consumes=True, acks=True) as two,
            publishing(two.broker, message("later")),
        ):
            await two.takes(1)
        assert one.deliveries == []


async def test_publish_says_when_it_cannot_confirm(brokers: Brokers) -> None:
    """A closed broker refuses with our own exception; closing twice does nothing."""
    async with running(brokers.open(publish_timeout_s=0.2)) as process:
        pass
    await process.broker.close()
    assert not process.broker.connected
    with pytest.raises(BrokerUnavailable):
        await process.broker.publish(message("late"))
    with pytest.raises(BrokerUnavailable):
        await process.broker.announce(b"late")


async def test_a_cancelled_publish_harms_no_other(brokers: Brokers) -> None:
    async with running(brokers.open(), consumes=True, acks=True) as process:
        cancelled = asyncio.create_task(process.broker.publish(message("cancelled")))
        await asyncio.sleep(0)
        cancelled.cancel()
        async with publishing(process.broker, message("kept")):
            await process.until(lambda: "kept" in process.heard)
        with pytest.raises(asyncio.CancelledError):
            await cancelled


async def test_the_url_chooses_the_adapter() -> None:
    def kind(url: str) -> str:
        broker: Broker = open_broker(url, prefix="p", prefetch=1)
        return type(broker).__name__

    assert [kind("memory://"), kind("amqp://host/"), kind("amqps://host/")] == [
        "MemoryBroker",
        "RabbitMQBroker",
        "RabbitMQBroker",
    ]
    with pytest.raises(BadConfiguration, match="BROKER_URL"):
        kind("kafka://host")


async def _refuse(process: Process, text: str, *, reason: str, detail: str) -> None:
    """Publish a message and have the process refuse it."""
    before = len(process.deliveries)
    async with publishing(process.broker, message(text)):
        delivery = (await process.takes(before + 1))[before]
        await process.broker.dead_letter(delivery, reason=reason, detail=detail)
        await process.broker.ack([delivery])


def _has(heard: Sized, count: int) -> bool:
    return len(heard) == count


def _connected_for(process: Process, times: int) -> bool:
    return process.connects == times


def _ends_with(heard: Sequence[bytes], body: bytes) -> bool:
    return bool(heard) and heard[-1] == body


def _heard_last(process: Process, text: str) -> bool:
    return process.heard[-1:] == [text]
