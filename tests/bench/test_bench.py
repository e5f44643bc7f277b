"""The whole of it at its smallest: real processes, real streams, figures that can be true."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
import uvloop

from notify_sse.bench import run
from notify_sse.bench.bare import bare_server
from notify_sse.bench.plan import Plan, Progress
from notify_sse.bench.report.results import Outcome
from notify_sse.bench.target import Launch, started_service
from notify_sse.cli.commands.bench import NAMES
from tests.comparison import dimensions, document, sizes, targets
from tests.support.service import ServiceFactory
from tests.support.services import PostgresServer, RabbitServer

SMOKE = sizes.SIZES["smoke"]


def measured(launch: Launch, name: str, plan: Plan = SMOKE.load) -> Outcome:
    (outcome,) = uvloop.run(run.measure(launch, [name], plan, Progress(quiet=True)))
    return outcome


def test_the_command_measures_a_service_that_runs(service: ServiceFactory, tmp_path: Path) -> None:
    """`notify-sse bench --url`: everything that was published arrived once, and the report has its plots."""
    running, page = service(), tmp_path / "report.html"
    command = [sys.executable, "-m", "notify_sse", "bench", "steady", "herd", "replay", "--json", "--html", str(page)]
    amounts = ["--url", running.url, "-n", "20", "-r", "100", "-s", "1", "--replay", "700"]
    done = subprocess.run(
        [*command, *amounts], env=running.env, capture_output=True, text=True, timeout=120, check=True
    )
    steady, herd, replay = json.loads(done.stdout)["outcomes"]
    for outcome in (steady, herd, replay):
        assert not outcome["problems"]
    assert steady["figures"]["received"] == 100
    assert 0 < steady["figures"]["p50_ms"] <= steady["figures"]["p95_ms"] <= steady["figures"]["max_ms"]
    assert herd["figures"]["log_queries"] == 0
    assert replay["figures"]["replayed"] == 700
    assert "steady on" in done.stderr
    html = page.read_text()
    assert html.count("<svg") == 1
    assert "<script" not in html


def test_the_command_names_every_scenario() -> None:
    """Its names stand in the command for themselves, so that `--help` loads nothing of the load tool."""
    assert list(run.SCENARIOS) == list(NAMES)


@pytest.mark.parametrize("name", ["idle", "broadcast", "burst", "churn", "ramp"])
def test_every_other_scenario_runs(name: str) -> None:
    """On the bare server, which starts at once; churn loses there, since nothing is kept."""
    outcome = measured(bare_server(), name)
    assert None not in outcome.figures.values() or name == "burst"
    if name != "churn":
        assert not outcome.problems
    if name == "broadcast":
        assert outcome.figures["received"] == SMOKE.load.streams * SMOKE.load.broadcasts


def test_a_server_that_loses_is_found_out() -> None:
    """The bare server keeps nothing: what was published while a stream was away is reported as lost."""
    plan = Plan(streams=4, rate=400, seconds=1, churn_per_s=40, warm_up_s=0.2, settle_s=0.5, client_processes=1)
    outcome = measured(bare_server(), "churn", plan)
    assert outcome.figures["lost"]
    assert outcome.problems


def test_the_comparison_is_written(
    rabbitmq_server: RabbitServer, postgres_server: PostgresServer, tmp_path: Path
) -> None:
    """The service on both stacks and the usual way take the same load, and the page keeps what people wrote."""
    report = run.new_report()
    pids = targets.pids_of(rabbitmq_server, postgres_server)
    found = targets.launches(rabbitmq_server, postgres_server, pids)
    for target in (targets.STACK, targets.EMBEDDED, targets.BASELINE):
        outcome = measured(found[target], "steady")
        assert outcome.figures["lost"] == 0, target
        assert outcome.figures["received"] == SMOKE.load.rate * SMOKE.load.seconds
        report.outcomes.append(outcome)
    assert "bench-" not in rabbitmq_server.ctl("list_queues", "name"), "the load tool left its queues behind"
    assert "bench-" not in rabbitmq_server.ctl("list_exchanges", "name")
    page = tmp_path / "performance.md"
    page.write_text(f"# Performance\n\nBefore.\n\n{document.BEGIN}\nold\n{document.END}\n\nAfter.\n")
    document.write(page, report, size="smoke")
    text = page.read_text()
    assert "Before." in text
    assert "After." in text
    assert "old" not in text
    assert "| steady: p50, ms |" in text
    assert "times |" in text
    assert list(tmp_path.glob("performance/*.svg"))


def test_a_report_keeps_what_is_not_measured_again() -> None:
    """So that a long comparison can be made, and mended, in parts."""
    report = run.new_report()
    for value in (1.0, 2.0):
        for scenario in ("steady", "herd") if value == 1.0 else ("steady",):
            report.add(Outcome("x", scenario, {}, {"p50_ms": value}))
    assert {one.scenario: one.figures["p50_ms"] for one in report.outcomes} == {"steady": 2.0, "herd": 1.0}
    assert msgspec.json.decode(msgspec.json.encode(report), type=type(report)) == report


def test_what_grows_is_measured_one_amount_after_the_other() -> None:
    """On the embedded default: streams that name a topic more; the table and the plot say what each amount costs."""
    dimension = msgspec.structs.replace(dimensions.DIMENSIONS["topics"], scenarios=("steady",))
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        growth = dimensions.measure(
            runner, lambda env: started_service("x", env=env), dimension, dimensions.SMOKE, (0, 3)
        )
    assert growth.row("steady", "lost") == [0, 0]
    assert growth.row("idle", "memory_kb_each") == [None, None]
    table = list(growth.table())
    assert table[0] == "| topics that each stream names | 0 | 3 |"
    assert table[-1] == "| went wrong | nothing | nothing |"
    plot = growth.plot()
    assert len(plot.lines) == sum(scenario == "steady" for scenario, _ in dimension.figures)
    assert {points[0] for points in plot.lines.values()} == {(0.0, 1.0)}


def test_drawing_a_plot_takes_nothing_from_the_process() -> None:
    """pygal puts finders of modules into it: its own has to go, those of the metadata of packages have to stay."""
    code = """
import sys
from importlib import metadata
from notify_sse.bench.report.html_report import drawn
from notify_sse.bench.report.results import Plot
assert "<svg" in drawn(Plot("t", "x", "y", {"a": [(1.0, 2.0), (2.0, 3.0)]}))
assert metadata.version("notify-sse")
assert metadata.packages_distributions()["pygal"] == ["pygal"]
assert not [one for one in sys.meta_path if type(one).__module__ == "pygal"]
import email.mime.audio
"""
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True)
