"""What a load needs: from streams, rate, size and retention to processes, cores, memory, disk and connections.

Pure arithmetic over the measured figures of docs/explanation/performance.md; nothing is measured here. The formula is
written out in docs/how-to/capacity.md, which a test holds against this.
"""

import math
from typing import Final

import msgspec

STREAM_KB: Final = 4.0
"""Memory of an open stream: 3.3 to 3.7 were measured, for Server-Sent Events and for WebSockets."""
PROCESS_MB: Final = 100.0
"""Memory of a process without streams and without a tail."""
TAIL_MB: Final = 64.0
"""The default of TAIL_MAX_BYTES."""
STREAMS_PER_GATEWAY: Final = 10_000
"""The size at which latencies were measured. MAX_STREAMS is twice that: room for the streams of a gateway that ends."""
CONNECTS_PER_S: Final = 2_500
"""Streams that one gateway opens a second, when it does nothing else."""
DELIVERY_US: Final = 18.7
"""CPU of a gateway for one notification to one stream."""
FIREHOSE_US: Final = 4.5
FIREHOSE_US_PER_KB: Final = 3.0
"""CPU of each gateway for each committed notification, whoever it is for: take it in, encode it, look who reads it."""
INGEST_US: Final = 107.0
"""CPU of the ingesting process for one notification, at 3,000 a second."""
BROKER_US: Final = 153.0
DATABASE_US: Final = 39.0
LOG_RATE: Final = 11_200
"""Notifications a second that one log took through RabbitMQ, with p95 within 100 ms."""
LIVE_MBIT_S: Final = 1_000
"""What one broker can send to its gateways: a gigabit of network."""
SHARE: Final = 0.5
"""Of what was measured as the most, what is planned for: peaks, other machines, neighbours."""
ENVELOPE_BYTES: Final = 300
"""What a notification has on the wire beside its payload."""
ROW_BYTES: Final = 500
"""What a notification has in the database beside its payload, indexes included."""
DISK_SLACK: Final = 1.5
"""Rows that wait for vacuum, the journal, the write-ahead log."""
DATABASE_CONNECTIONS: Final = 18
"""Of each process, at most; 12 are usual under load."""
OTHER_CONNECTIONS: Final = 20
"""Of people, backups, migrations."""
BROKER_CONNECTIONS: Final = 2
"""Of each process."""
DAY_S: Final = 86_400
KB: Final = 1000.0
MB: Final = 1e6
GB: Final = 1e9


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """`rate`: notifications a second at the peak, of `size` bytes of payload, each for `reach` open streams on
    average. `daily`: notifications a day, kept for `retention_days`. Cells share all of it evenly.
    """

    streams: int
    rate: float
    size: int
    reach: float
    daily: float
    retention_days: float


class Need(msgspec.Struct, frozen=True, kw_only=True):
    """What a load needs. Processes and cores are whole; cores are those to be had, of which half is used.

    `gateways` has one to spare; so has `ingesters`, of which one works at a time. `cells`: over 1 when one log does
    not take it. Counts are the sum of all cells; `live_mbit_s` and `firehose_share` (of a core of each gateway) are
    those of one. `back_s`: until every stream is back after a start of everything.
    """

    cells: int
    gateways: int
    ingesters: int
    gateway_cores: int
    ingest_cores: int
    broker_cores: int
    database_cores: int
    gateway_memory_mb: int
    disk_gb: float
    database_connections: int
    broker_connections: int
    out_mbit_s: float
    live_mbit_s: float
    firehose_share: float
    back_s: float


def firehose_us(size: int) -> float:
    """CPU of each gateway for each committed notification with `size` bytes of payload, in µs."""
    return FIREHOSE_US + FIREHOSE_US_PER_KB * size / KB


def cells_for(load: Load) -> int:
    """How many independent logs `load` needs: each takes its share of the rate, its gateways have time left for their
    streams, and its broker can tell all of them.
    """
    cells = max(1, math.ceil(load.rate / (LOG_RATE * SHARE)))
    # With each further cell there is less to tell, and fewer to tell it to.
    while gateways_for(load, cells=cells) is None or live_mbit_s(load, cells=cells) > LIVE_MBIT_S * SHARE:
        cells += max(1, cells // 100)
    return cells


def live_mbit_s(load: Load, *, cells: int) -> float:
    """What the broker of one cell sends to its gateways: all that is committed, to each."""
    gateways = (gateways_for(load, cells=cells) or 0) + 1
    return load.rate / cells * (load.size + ENVELOPE_BYTES) * 8 / MB * gateways


def gateways_for(load: Load, *, cells: int) -> int | None:
    """The gateways of one cell that work: enough for its streams, and for its deliveries beside its firehose. None:
    the firehose leaves them no time.
    """
    left_us = 1e6 * SHARE - load.rate / cells * firehose_us(load.size)
    if left_us <= 0:
        return None
    by_deliveries = load.rate / cells * load.reach * DELIVERY_US / left_us
    return max(1, math.ceil(load.streams / cells / STREAMS_PER_GATEWAY), math.ceil(by_deliveries))


def need(load: Load) -> Need:
    """What `load` needs."""
    cells = cells_for(load)
    each = gateways_for(load, cells=cells) or 1
    gateways = cells * (each + 1)
    ingesters = cells * 2
    rate = load.rate / cells
    kept = load.daily * load.retention_days
    streams_each = load.streams / cells / each
    return Need(
        cells=cells,
        gateways=gateways,
        ingesters=ingesters,
        gateway_cores=gateways,
        ingest_cores=ingesters,
        broker_cores=cells * _cores(rate * BROKER_US),
        database_cores=cells * _cores(rate * DATABASE_US),
        gateway_memory_mb=math.ceil(PROCESS_MB + TAIL_MB + streams_each * STREAM_KB / KB),
        disk_gb=round(kept * (ROW_BYTES + load.size) * DISK_SLACK / GB, 1),
        database_connections=DATABASE_CONNECTIONS * (gateways + ingesters) + cells * OTHER_CONNECTIONS,
        broker_connections=BROKER_CONNECTIONS * (gateways + ingesters),
        out_mbit_s=round(load.rate * load.reach * (load.size + ENVELOPE_BYTES) * 8 / MB, 1),
        live_mbit_s=round(live_mbit_s(load, cells=cells), 1),
        firehose_share=round(rate * firehose_us(load.size) / 1e6, 3),
        back_s=round(streams_each / CONNECTS_PER_S, 1),
    )


def _cores(used_us: float) -> int:
    """Cores to be had, for `used_us` of CPU in each second."""
    return max(1, math.ceil(used_us / 1e6 / SHARE))
