"""The results: figures by name, and plots; printed as a table for people, and as JSON for programs."""

from array import array
from collections.abc import Sequence
from typing import Any

import msgspec

from notify_sse.bench.report.meter import Machine

Points = list[tuple[float, float]]


class Plot(msgspec.Struct):
    """Lines over one x axis. `logarithmic` is about the y axis; in JSON it is `log`."""

    title: str
    x: str
    y: str
    lines: dict[str, Points]
    logarithmic: bool = msgspec.field(default=False, name="log")


class Outcome(msgspec.Struct):
    """One scenario on one target. Figures carry their unit at the end of the name; None: it cannot be measured here."""

    target: str
    scenario: str
    given: dict[str, Any]
    figures: dict[str, float | None] = msgspec.field(default_factory=dict)
    plots: list[Plot] = msgspec.field(default_factory=list)
    problems: list[str] = msgspec.field(default_factory=list)
    load_average: float = 0.0


class Report(msgspec.Struct):
    """All outcomes of a run."""

    started: str
    version: str
    machine: Machine
    outcomes: list[Outcome] = msgspec.field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        """Add `outcome`. It replaces an older one of the same scenario on the same target."""
        key = (outcome.scenario, outcome.target)
        self.outcomes = [one for one in self.outcomes if (one.scenario, one.target) != key]
        self.outcomes.append(outcome)


def rank(ordered: Sequence[int], share: float) -> int:
    """The percentile `share` (0 to 1) of sorted samples."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def latency_figures(delay_ns: "array[int]", prefix: str = "") -> dict[str, float | None]:
    """p50, p95, p99 and max in ms; None without samples."""
    ordered = sorted(delay_ns)
    if not ordered:
        return {f"{prefix}{name}_ms": None for name in ("p50", "p95", "p99", "max")}
    shares = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {f"{prefix}{name}_ms": round(rank(ordered, share) / 1e6, 2) for name, share in shares.items()}


def over_time(due_ns: "array[int]", delay_ns: "array[int]", *, title: str) -> Plot:
    """Latency by the second in which a notification was due."""
    seconds: dict[int, list[int]] = {}
    start = min(due_ns, default=0)
    for due, delay in zip(due_ns, delay_ns, strict=True):
        seconds.setdefault((due - start) // 1_000_000_000, []).append(delay)
    lines: dict[str, Points] = {"p50": [], "p95": [], "p99": [], "max": []}
    for second, delays in sorted(seconds.items()):
        for name, value in latency_figures(array("q", delays)).items():
            lines[name.removesuffix("_ms")].append((float(second), value or 0.0))
    return Plot(title, "second", "ms", lines, logarithmic=True)


def slope(points: Points) -> float:
    """The slope of the straight line that fits `points` best."""
    mean_x = sum(x for x, _ in points) / len(points)
    mean_y = sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else 0.0


def table(report: Report) -> str:
    """Every figure of every scenario, for a terminal."""
    about = report.machine
    lines = [f"{about.cores} cores of {about.cpu}, {about.memory_gb} GB, {about.system}, {about.python}"]
    for outcome in report.outcomes:
        given = ", ".join(f"{name} {number(value)}" for name, value in outcome.given.items())
        lines += ["", f"{outcome.scenario} on {outcome.target}  ({given}; load average {outcome.load_average})"]
        width = max(map(len, outcome.figures), default=0)
        lines += [f"  {name:<{width}}  {number(value):>12}" for name, value in outcome.figures.items()]
        lines += [f"  ! {problem}" for problem in outcome.problems]
    return "\n".join(lines)


def number(value: Any) -> str:
    """A figure as people read it."""
    if value is None:
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"  # noqa: PLR2004
    return str(value)
