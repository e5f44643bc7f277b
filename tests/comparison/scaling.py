"""The tables of docs/explanation/scaling.md: `python -m tests.comparison.scaling`. Pure, but for `--measure`.

`--measure` measures what a gateway pays for an event that none of its streams reads.
"""

import argparse
import time
from collections.abc import Iterator

from notify_sse.bench import capacity
from notify_sse.bench.capacity import Load
from notify_sse.core.frames import frame
from notify_sse.core.hub import Hub
from notify_sse.core.model import Announcement, Event, decode_live
from notify_sse.core.stream import Stream
from notify_sse.core.tail import Hole, Tail

ONE_CELL = ((1, 100), (1, 1_000), (1, 5_000), (10, 5_000), (50, 5_000), (100, 5_000))
"""Gateways, and notifications a second."""
GROWTH = ((10_000, 500), (100_000, 2_000), (1_000_000, 5_000), (1_000_000, 20_000), (10_000_000, 50_000))
"""Streams, and notifications a second."""
SIZE = 200
MEASURED = 20_000


def one_cell() -> Iterator[str]:
    """What one log costs, as gateways and rate grow."""
    yield "| gateways | notifications a second | of a gateway's core | RabbitMQ sends, Mbit/s | of the log's rate |"
    yield "|---:|---:|---:|---:|---:|"
    for gateways, rate in ONE_CELL:
        firehose = rate * capacity.firehose_us(SIZE) / 1e6
        live = rate * (SIZE + capacity.ENVELOPE_BYTES) * 8 / 1e6 * gateways
        yield f"| {gateways:,} | {rate:,} | {firehose:.1%} | {live:,.0f} | {rate / capacity.LOG_RATE:.0%} |"


def growth() -> Iterator[str]:
    """What is needed, as streams and rate grow."""
    yield "| streams | notifications a second | cells | gateways | of a gateway's core | a cell's RabbitMQ, Mbit/s |"
    yield "|---:|---:|---:|---:|---:|---:|"
    for streams, rate in GROWTH:
        load = Load(streams=streams, rate=rate, size=SIZE, reach=1.0, daily=0, retention_days=7)
        needed = capacity.need(load)
        yield (
            f"| {streams:,} | {rate:,} | {needed.cells:,} | {needed.gateways:,} | {needed.firehose_share:.1%} "
            f"| {needed.live_mbit_s:,.0f} |"
        )


def page_tables() -> str:
    """Both tables, as they stand in the page."""
    return "\n".join([*one_cell(), "", *growth()])


def measured_us(*, size: int, batch: int, events: int = MEASURED) -> float:
    """µs of CPU for an event that is for nobody here, out of announcements of `batch`, beside 10,000 streams."""
    tail, hub = Tail(max_events=65_536, max_bytes=1 << 26), Hub[Stream]()
    tail.restart("e", start=0)
    for number in range(capacity.STREAMS_PER_GATEWAY):
        stream = Stream((f"recipient:here-{number}", "topic:all"), tail.cursor, generation=tail.generation)
        hub.join(stream, stream)
        stream.pull(tail, now_ms=0)
    body = b'{"payload":"' + b"x" * (size + capacity.ENVELOPE_BYTES - 14) + b'"}'
    announced = [
        Announcement("e", first, tuple(_event(place, body) for place in range(first, first + batch))).encode()
        for first in range(1, events, batch)
    ]
    began = time.process_time()
    for encoded in announced:
        told = decode_live(encoded)
        assert isinstance(told, Announcement)
        before = tail.position
        new = tail.extend(told.first, [frame(event, told.epoch) for event in told.events])
        assert not isinstance(new, Hole)
        assert not hub.wake(new, before=before)
    return (time.process_time() - began) / (len(announced) * batch) * 1e6


def _event(place: int, body: bytes) -> Event:
    return Event(place, f"recipient:elsewhere-{place}", "new_message", body)


def main() -> None:
    """Print the tables, or what is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--measure", action="store_true")
    if not parser.parse_args().measure:
        print(page_tables())
        return
    for size in (200, 2_000):
        for batch in (1, 10, 100, 500):
            print(f"{size:>6} bytes, {batch:>4} a batch: {measured_us(size=size, batch=batch):5.1f} µs")


if __name__ == "__main__":
    main()
