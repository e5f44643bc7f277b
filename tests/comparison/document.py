"""Writes the measured part of docs/explanation/performance.md, between its marks; the rest of the page is people's."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from notify_sse.bench.report.html_report import drawn
from notify_sse.bench.report.results import Outcome, Plot, Report, number
from tests.comparison.targets import BARE, BASELINE, EMBEDDED, NCHAN, PUSHPIN, STACK

BEGIN: Final = "<!-- Measured: written by `make bench`. -->"
END: Final = "<!-- End of what was measured. -->"
COLUMNS: Final = {
    STACK: "notify-sse, RabbitMQ and Postgres",
    EMBEDDED: "notify-sse, embedded default",
    BASELINE: "the usual way",
    NCHAN: "nginx with nchan (in memory, at most once)",
    PUSHPIN: "Pushpin (in memory, at most once)",
    BARE: "bare asyncio server (the floor)",
}


class Row(msgspec.Struct, frozen=True):
    """One figure in the comparison. `more`: a higher one is better."""

    scenario: str
    figure: str
    text: str
    more: bool = False


ROWS: Final = (
    Row("idle", "memory_kb_each", "memory of an idle stream, KB"),
    Row("idle", "connects_per_s_last", "streams opened a second", more=True),
    Row("idle", "server_cpu_percent", "CPU at rest, % of a core"),
    Row("steady", "p50_ms", "steady: p50, ms"),
    Row("steady", "p95_ms", "steady: p95, ms"),
    Row("steady", "p99_ms", "steady: p99, ms"),
    Row("steady", "server_cpu_us_each", "steady: server's CPU for one, µs"),
    Row("broadcast", "p95_ms", "broadcast: p95, ms"),
    Row("broadcast", "server_cpu_us_each", "broadcast: server's CPU for one delivery, µs"),
    Row("burst", "drained_s", "burst: until the last has arrived, s"),
    Row("herd", "caught_up_s", "herd: all live and caught up, s"),
    Row("herd", "lost", "herd: lost"),
    Row("herd", "log_queries", "herd: reads of the log"),
    Row("replay", "replayed_per_s", "replay: events a second", more=True),
    Row("churn", "p95_ms", "churn: p95, ms"),
    Row("churn", "memory_kb_each", "churn: memory of a stream afterwards, KB"),
    Row("churn", "lost", "churn: lost"),
    Row("ramp", "sustained_per_s", "ramp: highest rate sustained, a second", more=True),
    Row("ramp", "p95_at_80_percent_ms", "ramp: p95 at 80 % of it, ms"),
)


class Promise(msgspec.Struct, frozen=True):
    """What a figure of the service on RabbitMQ and Postgres has to be."""

    scenario: str
    figure: str
    limit: float
    text: str
    more: bool = False


PROMISES: Final = (
    Promise("idle", "memory_kb_each", 4, "memory of an idle stream, at most 4 KB"),
    Promise("idle", "connects_per_s_last", 2500, "streams opened a second, at least 2,500", more=True),
    Promise("idle", "server_cpu_percent", 3, "15,000 streams at rest for 10 minutes, at most 3 % of a core"),
    Promise("steady", "p95_ms", 6, "10,000 streams and 1,000 a second: p95 at most 6 ms"),
    Promise("steady", "p99_ms", 15, "and p99 at most 15 ms"),
    Promise("ramp", "sustained_per_s", 11_000, "sustained with p95 within 100 ms: at least 11,000 a second", more=True),
    Promise("ramp", "p95_at_80_percent_ms", 100, "latency flat up to there: p95 at 80 % of it within the same limit"),
    Promise("broadcast", "p95_ms", 150, "broadcast to 10,000 streams: p95 at most 150 ms"),
    Promise("broadcast", "server_cpu_us_each", 15, "and at most 15 µs of the server's CPU for a delivery"),
    Promise("herd", "caught_up_s", 3.6, "herd of 10,000: live and caught up within 3.6 s"),
    Promise("herd", "log_queries", 0, "and without a read of the log"),
    Promise("replay", "replayed_per_s", 30_000, "replay of 100,000: at least 30,000 events a second", more=True),
)
BASELINE_TIMES: Final = 4


class Figures:
    """The outcomes, by target and scenario."""

    def __init__(self, outcomes: Sequence[Outcome]) -> None:
        self._by = {(one.target, one.scenario): one for one in outcomes}
        self.targets = [name for name in COLUMNS if any(target == name for target, _ in self._by)]

    def outcome(self, target: str, scenario: str) -> Outcome | None:
        return self._by.get((target, scenario))

    def value(self, target: str, scenario: str, figure: str) -> float | None:
        outcome = self.outcome(target, scenario)
        return None if outcome is None else outcome.figures.get(figure)

    def ratio(self, row: Row) -> str:
        """How many times better the service is than the usual way."""
        ours, theirs = (self.value(target, row.scenario, row.figure) for target in (STACK, BASELINE))
        better, worse = (ours, theirs) if row.more else (theirs, ours)
        return f"{better / worse:.1f} times" if better and worse else ""


def section(report: Report, size: str) -> str:
    """The marked section, marks included."""
    return "\n".join([BEGIN, "", *_lines(report, size), "", END])


def _lines(report: Report, size: str) -> Iterator[str]:
    about, figures = report.machine, Figures(report.outcomes)
    yield f"Measured on {report.started[:10]} (`make bench`, size *{size}*), everything on one machine:"
    yield f"{about.cores} cores of {about.cpu}, {about.memory_gb} GB, {about.system}, Linux {about.kernel},"
    yield f"{about.python}, notify-sse {report.version}."
    yield ""
    yield from _comparison(figures)
    yield ""
    if size == "full":
        yield from _promises(figures)
        yield ""
    yield from _conditions(report.outcomes)


def _comparison(figures: Figures) -> Iterator[str]:
    yield f"| | {' | '.join(COLUMNS[name] for name in figures.targets)} | better than the usual way |"
    yield f"|---|{'---:|' * (len(figures.targets) + 1)}"
    for row in ROWS:
        values = [figures.value(name, row.scenario, row.figure) for name in figures.targets]
        if any(value is not None for value in values):
            cells = " | ".join("" if value is None else number(value) for value in values)
            yield f"| {row.text} | {cells} | {figures.ratio(row)} |"


def _promises(figures: Figures) -> Iterator[str]:
    yield "| what is to hold on RabbitMQ and Postgres | measured | |"
    yield "|---|---:|---|"
    for promise in PROMISES:
        value = figures.value(STACK, promise.scenario, promise.figure)
        if value is not None:
            held = value >= promise.limit if promise.more else value <= promise.limit
            yield f"| {promise.text} | {number(value)} | {_verdict(held=held)} |"
    ours, theirs = (figures.value(target, "ramp", "sustained_per_s") for target in (STACK, BASELINE))
    if ours and theirs:
        times = ours / theirs
        text = f"at least {BASELINE_TIMES} times the usual way's highest sustained rate"
        yield f"| {text} | {times:.1f} | {_verdict(held=times >= BASELINE_TIMES)} |"


def _verdict(*, held: bool) -> str:
    return "holds" if held else "**misses**"


def _conditions(outcomes: Sequence[Outcome]) -> Iterator[str]:
    """What has to be known of each scenario to read its figures: what it was given, what else ran, what went wrong."""
    yield "| scenario | on | given | load average | went wrong |"
    yield "|---|---|---|---:|---|"
    for one in outcomes:
        given = ", ".join(f"{name} {number(value)}" for name, value in one.given.items())
        wrong = "; ".join(one.problems) or "nothing"
        yield f"| {one.scenario} | {one.target} | {given} | {one.load_average} | {wrong} |"


def write(page: Path, report: Report, *, size: str) -> None:
    """Put the section in its place in `page`, at the end of one that has none yet, and the plots beside it."""
    text = page.read_text() if page.exists() else "# Performance\n"
    before, _, rest = text.partition(BEGIN)
    after = rest.partition(END)[2].lstrip("\n")
    plots = _plots(report, page.parent / page.stem)
    section_text = section(report, size).replace(END, f"{plots}\n{END}")
    page.write_text(f"{before.rstrip()}\n\n{section_text}\n" + (f"\n{after}" if after else ""))


def _plots(report: Report, folder: Path) -> str:
    """Write one plot for each title of the service's; returns the lines that show them."""
    lines = []
    for name, plot in _service_plots(report).items():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.svg").write_text(drawn(plot))
        lines.append(f"![{plot.title}]({folder.name}/{name}.svg)")
    return "\n".join(lines)


def _service_plots(report: Report) -> Mapping[str, Plot]:
    found: dict[str, Plot] = {}
    for outcome in report.outcomes:
        if outcome.target == STACK:
            for plot in outcome.plots:
                found[f"{outcome.scenario}-{plot.title.lower().replace(',', '').replace(' ', '-')}"] = plot
    return found
