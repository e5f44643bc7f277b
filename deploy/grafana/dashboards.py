"""Makes the dashboards beside it: `python deploy/grafana/dashboards.py`. A test compares them with what it makes.

A panel is a title, what it shows, its unit, and queries: legend → PromQL. Panels fill rows of three. The variable
`$job` is the scrape job (notify-sse).
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent
WIDTH, HEIGHT, COLUMNS = 8, 8, 3
SECONDS, PER_SECOND, COUNT, BYTES, SHARE = "s", "ops", "short", "bytes", "percentunit"


class Panel(NamedTuple):
    """`kind`: `timeseries`, or `stat` for the last value alone."""

    title: str
    description: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"


def rate(metric: str, *by: str, **labels: str) -> str:
    """The rate a second of a counter, summed over all processes, or by some labels."""
    return f"sum{_by(by)} (rate({_series(metric, labels)}[$__rate_interval]))"


def quantiles(metric: str, *levels: float, **labels: str) -> dict[str, str]:
    """p50, p95 … of a histogram over all processes."""
    buckets = rate(f"{metric}_bucket", "le", **labels)
    return {f"p{level * 100:g}": f"histogram_quantile({level:g}, {buckets})" for level in levels}


def over(function: str, metric: str, *by: str, **labels: str) -> str:
    """`max`, `min` or `sum` of a gauge over all processes, or by some labels."""
    return f"{function}{_by(by)} ({_series(metric, labels)})"


def _by(labels: tuple[str, ...]) -> str:
    return f" by ({', '.join(labels)})" if labels else ""


def _series(metric: str, labels: dict[str, str]) -> str:
    selected = {"job": '=~"$job"'} | {name: f'="{value}"' for name, value in labels.items()}
    return f"notify_sse_{metric}" + "{" + ",".join(name + value for name, value in selected.items()) + "}"


def process(metric: str) -> str:
    """A metric of prometheus-client about the process."""
    return f'sum by (instance) (process_{metric}{{job=~"$job"}})'


DELIVERY = quantiles("delivery_seconds", 0.5, 0.95, 0.99, since="committed")

OVERVIEW = [
    Panel("Gateways ready", "Of those that are scraped.", COUNT, {"ready": over("sum", "ready")}, "stat"),
    Panel("Streams open", "Over all gateways.", COUNT, {"streams": over("sum", "streams")}, "stat"),
    Panel(
        "Delivery, p95", "From the commit to the stream. Promised: 100 ms.", SECONDS, {"p95": DELIVERY["p95"]}, "stat"
    ),
    Panel(
        "Notifications",
        "Accepted, and written to streams: one notification may be written to many.",
        PER_SECOND,
        {"accepted": rate("appended_total", outcome="new"), "written": rate("frames_sent_total")},
    ),
    Panel("Delivery", "From the commit to the stream.", SECONDS, DELIVERY),
    Panel(
        "Connecting", "From a request for a stream until it is open.", SECONDS, quantiles("connect_seconds", 0.5, 0.95)
    ),
    Panel("Streams", "By gateway.", COUNT, {"{{instance}}": over("sum", "streams", "instance")}),
    Panel(
        "Streams that end",
        "By reason. A drain or a cut network is followed by as many that connect.",
        PER_SECOND,
        {"{{reason}}": rate("streams_closed_total", "reason")},
    ),
    Panel(
        "Streams that begin", "By transport.", PER_SECOND, {"{{transport}}": rate("streams_opened_total", "transport")}
    ),
    Panel(
        "Messages that wait", "In the broker's queues.", COUNT, {"{{queue}}": over("max", "queue_messages", "queue")}
    ),
    Panel(
        "Database and broker",
        "1: every process is connected.",
        COUNT,
        {"database": over("min", "store_connected"), "broker": over("min", "broker_connected")},
    ),
    Panel(
        "Refused",
        "Streams for load, tokens, and requests over a limit.",
        PER_SECOND,
        {
            "streams: {{limit}}": rate("streams_refused_total", "limit"),
            "token: {{reason}}": rate("token_refused_total", "reason"),
            "limit: {{limit}}": rate("limited_total", "limit"),
        },
    ),
    Panel(
        "Resets",
        "Clients that were told that they may have missed something.",
        PER_SECOND,
        {"{{reason}}": rate("resets_total", "reason")},
    ),
    Panel(
        "Dead letters",
        "Messages that were refused, by reason.",
        PER_SECOND,
        {"{{reason}}": rate("dead_letters_total", "reason")},
    ),
    Panel("Versions", "Processes by version.", COUNT, {"{{version}}": over("sum", "build_info", "version")}),
    Panel(
        "Adoption",
        "Recipients seen in the last day, by way.",
        COUNT,
        {"{{way}}": over("max", "recipients_seen", "way")},
    ),
]

DELIVERING = [
    Panel("Since the commit", "What the service takes.", SECONDS, DELIVERY),
    Panel(
        "Since the publisher's timestamp",
        "The time in the queue is in it, and how far the publisher's clock is off.",
        SECONDS,
        quantiles("delivery_seconds", 0.5, 0.95, 0.99, since="published"),
    ),
    Panel(
        "Oldest message",
        "Taken from the queue and not stored yet.",
        SECONDS,
        {"oldest": over("max", "oldest_waiting_seconds")},
    ),
    Panel(
        "One append",
        "A transaction, of one notification or a batch.",
        SECONDS,
        quantiles("append_seconds", 0.5, 0.95, 0.99),
    ),
    Panel("Appends", "Transactions a second.", PER_SECOND, {"appends": rate("append_seconds_count")}),
    Panel("Outcome", "Of what was given to the log.", PER_SECOND, {"{{outcome}}": rate("appended_total", "outcome")}),
    Panel("Taken from the queue", "Messages a second.", PER_SECOND, {"ingested": rate("ingested_total")}),
    Panel(
        "Publishes refused",
        "By way in and reason.",
        PER_SECOND,
        {"{{way}}: {{reason}}": rate("refused_total", "way", "reason")},
    ),
    Panel(
        "Queues",
        "Messages that are ready in the broker's queues.",
        COUNT,
        {"{{queue}}": over("max", "queue_messages", "queue")},
    ),
    Panel(
        "Announcements",
        "What was lost, and repaired by one read of the log.",
        PER_SECOND,
        {
            "failed": rate("announce_failed_total"),
            "holes found": rate("holes_found_total"),
            "holes repaired": rate("holes_repaired_total"),
            "duplicates dropped": rate("duplicates_dropped_total"),
        },
    ),
    Panel("Behind the log", "Events, by gateway.", COUNT, {"{{instance}}": over("max", "tail_lag_events", "instance")}),
    Panel(
        "Resumes",
        "Clients that came with a cursor: from memory, from the database, or reset.",
        PER_SECOND,
        {"{{how}}": rate("resumes_total", "how")},
    ),
    Panel(
        "Replays",
        "Pages read from the log, and streams that wait for their turn.",
        COUNT,
        {"pages a second": rate("replay_pages_total"), "waiting": over("sum", "replays_waiting")},
    ),
    Panel("One page of a replay", "", SECONDS, quantiles("replay_seconds", 0.5, 0.95)),
    Panel(
        "Slow readers",
        "Streams whose client does not take what was written.",
        COUNT,
        {"{{instance}}": over("sum", "slow_readers", "instance")},
    ),
]

CAPACITY = [
    Panel(
        "Streams by process",
        "",
        COUNT,
        {"{{instance}} {{worker}}": over("sum", "worker_streams", "instance", "worker")},
    ),
    Panel(
        "Event loop",
        "How late it is: over 0.25 s a process has more to do than a core can.",
        SECONDS,
        {"{{instance}}": over("max", "event_loop_lag_seconds", "instance")},
    ),
    Panel(
        "CPU",
        "Cores in use.",
        COUNT,
        {"{{instance}}": 'sum by (instance) (rate(process_cpu_seconds_total{job=~"$job"}[$__rate_interval]))'},
    ),
    Panel("Memory", "Resident.", BYTES, {"{{instance}}": process("resident_memory_bytes")}),
    Panel(
        "Tail",
        "The part of the log in memory; at most TAIL_MAX_BYTES a process.",
        BYTES,
        {"{{instance}}": over("sum", "tail_bytes", "instance")},
    ),
    Panel(
        "Bytes under way",
        "Taken from the queue, and written to slow readers.",
        BYTES,
        {"from the queue": over("sum", "ingest_bytes"), "to slow readers": over("sum", "buffered_bytes")},
    ),
    Panel(
        "Open files",
        "Of those that are allowed. A stream is one.",
        SHARE,
        {"{{instance}}": f"{process('open_fds')} / {process('max_fds')}"},
    ),
    Panel(
        "Connects",
        "Streams opened a second; one core takes about 2,500.",
        PER_SECOND,
        {"{{instance}}": rate("streams_opened_total", "instance")},
    ),
    Panel(
        "Writes",
        "Notifications written to streams; one core takes about 30,000.",
        PER_SECOND,
        {"{{instance}}": rate("frames_sent_total", "instance")},
    ),
    Panel(
        "Requests",
        "By route and status.",
        PER_SECOND,
        {"{{route}} {{status}}": rate("http_requests_total", "route", "status")},
    ),
    Panel(
        "Retention",
        "For how long removing what is too old is overdue.",
        SECONDS,
        {"late": over("max", "retention_lag_seconds")},
    ),
    Panel("Removed", "Notifications removed by retention.", PER_SECOND, {"removed": rate("expired_total")}),
]

DASHBOARDS = {
    "overview": ("notify-sse: overview", OVERVIEW),
    "delivery": ("notify-sse: delivery", DELIVERING),
    "capacity": ("notify-sse: capacity", CAPACITY),
}


def dashboard(name: str) -> dict[str, Any]:
    """The JSON model of a dashboard (Grafana 10 and newer)."""
    title, panels = DASHBOARDS[name]
    return {
        "uid": f"notify-sse-{name}",
        "title": title,
        "tags": ["notify-sse"],
        "schemaVersion": 38,
        "editable": True,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [_datasource(), _job()]},
        "panels": [_panel(number, panel) for number, panel in enumerate(panels)],
    }


def _panel(number: int, panel: Panel) -> dict[str, Any]:
    row, column = divmod(number, COLUMNS)
    return {
        "id": number + 1,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.description,
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "gridPos": {"x": column * WIDTH, "y": row * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + position), "expr": query, "legendFormat": legend}
            for position, (legend, query) in enumerate(panel.queries.items())
        ],
    }


def _datasource() -> dict[str, Any]:
    return {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}


def _job() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Job",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${datasource}"},
        "query": "label_values(notify_sse_ready, job)",
        "refresh": 1,
        "current": {"text": "notify-sse", "value": "notify-sse"},
    }


def text(name: str) -> str:
    """What the file of a dashboard holds."""
    return json.dumps(dashboard(name), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for each in DASHBOARDS:
        (HERE / f"{each}.json").write_text(text(each), encoding="utf-8")
