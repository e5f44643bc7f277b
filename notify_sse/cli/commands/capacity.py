"""`notify-sse bench capacity`: what a load needs, by the measured figures. Measures nothing itself."""

from typing import TYPE_CHECKING, Final

import click
import msgspec

if TYPE_CHECKING:
    from notify_sse.bench.capacity import Need

POSITIVE: Final = click.FloatRange(min=0, min_open=True)


@click.command("capacity")
@click.option("--streams", "-n", type=click.IntRange(min=1), required=True, help="Streams that are open at the peak.")
@click.option("--rate", "-r", type=POSITIVE, required=True, help="Notifications a second at the peak.")
@click.option("--size", type=click.IntRange(0, 1_048_576), default=200, show_default=True, help="Bytes of a payload.")
@click.option(
    "--reach",
    type=POSITIVE,
    default=1.0,
    show_default=True,
    help="Open streams that a notification is for, on average.",
)
@click.option("--daily", type=POSITIVE, help="Notifications a day.  [default: the rate of the peak, all day]")
@click.option("--retention-days", type=POSITIVE, default=7.0, show_default=True, help="How long they are kept.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def command(
    *, streams: int, rate: float, size: int, reach: float, daily: float | None, retention_days: float, as_json: bool
) -> None:
    """Say what a load needs: gateways, cores, memory, disk, connections.

    By the figures in the documentation (Performance), with half of what was measured as the most. Nothing is measured
    here: when you have the machines, do that with `notify-sse bench`.
    """
    from notify_sse.bench import capacity  # noqa: PLC0415  (no other command loads it)

    load = capacity.Load(
        streams=streams,
        rate=rate,
        size=size,
        reach=reach,
        daily=daily if daily is not None else rate * capacity.DAY_S,
        retention_days=retention_days,
    )
    needed = capacity.need(load)
    if as_json:
        click.echo(msgspec.json.encode({"load": load, "need": needed}))
        return
    for name, amount, why in _rows(needed):
        click.echo(f"{name:<22}{amount:>14}   {why}".rstrip())


def _rows(needed: "Need") -> list[tuple[str, str, str]]:
    return [
        ("cells", f"{needed.cells:,}", "independent deployments: logs that share the rate"),
        (
            "gateway processes",
            f"{needed.gateways:,}",
            f"one to spare in each cell; {needed.gateway_memory_mb:,} MB each",
        ),
        ("ingest processes", f"{needed.ingesters:,}", "one works in each cell, the other waits"),
        ("cores for gateways", f"{needed.gateway_cores:,}", f"{needed.firehose_share:.1%} of each for the firehose"),
        ("cores for ingest", f"{needed.ingest_cores:,}", ""),
        ("cores for RabbitMQ", f"{needed.broker_cores:,}", "of the leader; a cluster has as many on each node"),
        ("cores for Postgres", f"{needed.database_cores:,}", "of the primary"),
        ("disk of Postgres", f"{needed.disk_gb:,.1f} GB", "the standby's as much"),
        ("Postgres connections", f"{needed.database_connections:,}", "max_connections, of all cells together"),
        ("AMQP connections", f"{needed.broker_connections:,}", ""),
        ("to the streams", f"{needed.out_mbit_s:,.1f} Mbit/s", "before TLS"),
        ("RabbitMQ to gateways", f"{needed.live_mbit_s:,.1f} Mbit/s", "in each cell: every gateway gets its whole log"),
        ("all streams are back", f"{needed.back_s:,.1f} s", "after a start of everything at once, at best"),
    ]
