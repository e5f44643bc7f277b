"""Runs scenarios by name, one after another, on a target."""

import signal
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.meter import machine
from notify_sse.bench.report.results import Outcome, Report
from notify_sse.bench.scenarios.idle import idle
from notify_sse.bench.scenarios.load import Scenario, broadcast, burst, churn, herd, replay, steady
from notify_sse.bench.scenarios.ramp import ramp
from notify_sse.bench.target import Launch
from notify_sse.version import __version__

SCENARIOS: Final[dict[str, Scenario]] = {
    "idle": idle,
    "steady": steady,
    "broadcast": broadcast,
    "burst": burst,
    "herd": herd,
    "replay": replay,
    "churn": churn,
    "ramp": ramp,
}


def new_report() -> Report:
    """An empty report of this machine."""
    return Report(datetime.now(UTC).isoformat(timespec="seconds"), __version__, machine())


def end_in_order() -> None:
    """Treat SIGTERM as Ctrl-C, so that the processes that were started for the load are ended too."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job ignores it
    signal.signal(signal.SIGTERM, lambda *_: signal.raise_signal(signal.SIGINT))


async def measure(launch: Launch, names: Sequence[str], plan: Plan, progress: Progress) -> list[Outcome]:
    """The outcomes of those scenarios, in that order. Raises `NotifyError` when the target cannot be measured."""
    return [await SCENARIOS[name](launch, plan, progress) for name in names]
