"""The table of a campaign, for people; `--json` has the same for programs."""

from collections.abc import Mapping

from tests.fault.campaign import Outcome
from tests.fault.ledger import Times


def table(outcome: Outcome) -> str:
    """Everything that a campaign showed, in a screen or two."""
    lines = [
        (
            f"seed {outcome.seed}: {sum(outcome.faults.values())} faults in {outcome.took_s:.0f} s, "
            f"{outcome.plan['gateways']} gateways, {outcome.plan['clients']} clients"
        ),
        "",
        "faults by kind",
        *(_row(kind, count) for kind, count in outcome.faults.items()),
        *(_row(kind, "not done here") for kind in outcome.without),
        "",
        "notifications",
        _row("accepted", outcome.accepted),
        _row("unknown (no answer)", outcome.unknown),
        _row("delivered to clients", outcome.delivered),
        "",
        "judged",
        *(_row(kind, count) for kind, count in outcome.judged.items()),
        _row("anything else wrong", len(outcome.other)),
        "",
        "recovery, seconds" + " " * 23 + "count     p50     p99     max",
        *(_times(name, *summary) for name, summary in outcome.times.items()),
        "",
        "defences, times fired",
        *(_row(name, count) for name, count in outcome.defences.items()),
        "",
        "what clients met",
        *(_row(name, count) for name, count in outcome.clients.items()),
    ]
    if outcome.traces:
        lines += ["", "what `trace` told", *(_row(name, count) for name, count in outcome.traces.items())]
    lines += [f"slow: {line}" for line in outcome.slow]
    lines += [f"VIOLATION {line}" for line in outcome.violations[:50]]
    lines += [f"WRONG {line}" for line in outcome.other[:50]]
    lines += [f"CAME TOO RARELY INTO PLAY {name}" for name in outcome.idle]
    lines.append("the promise was kept" if outcome.good else "NOT GOOD")
    return "\n".join(lines)


def times_table(times: Mapping[str, Times]) -> str:
    """Durations by kind."""
    header = "recovery, seconds" + " " * 23 + "count     p50     p99     max"
    return "\n".join([header, *(_times(name, *one.summary()) for name, one in sorted(times.items()))])


def _row(name: str, value: object) -> str:
    return f"  {name:<36} {value:>9}" if isinstance(value, int) else f"  {name:<36} {value}"


def _times(name: str, count: int, p50: float, p99: float, most: float) -> str:
    return f"  {name:<36} {count:>7} {p50:>7.3f} {p99:>7.3f} {most:>7.3f}"
