"""What a load needs: the reckoning holds together, and the two pages say what it says."""

import json
import shlex
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from notify_sse.bench import capacity
from notify_sse.bench.capacity import Load, need
from notify_sse.cli import program
from notify_sse.config import Settings
from notify_sse.server.parts import HISTORY_CONNECTIONS
from notify_sse.store.postgres import access, journal, read_state, store
from tests.comparison.scaling import growth, measured_us, one_cell

DOCS = Path(__file__).parents[2] / "docs"
LOADS = st.builds(
    Load,
    streams=st.integers(1, 20_000_000),
    rate=st.floats(0.01, 200_000),
    size=st.integers(0, 16_384),
    reach=st.floats(0.01, 10_000),
    daily=st.floats(1, 1e10),
    retention_days=st.floats(0.1, 400),
)


def test_a_process_takes_no_more_connections_than_are_planned_for_it() -> None:
    """The sum of its pools. Erasure and the rollout have one each."""
    defaults = {field.name: field.default for field in msgspec.structs.fields(Settings)}
    replays = defaults["max_replays"] + HISTORY_CONNECTIONS
    pools = (store.APPEND_CONNECTIONS, store.READ_CONNECTIONS, replays, access.CONNECTIONS, journal.CONNECTIONS)
    assert sum(pools) + 2 * read_state.CONNECTIONS + 1 + 1 == capacity.DATABASE_CONNECTIONS


def _said(*arguments: str) -> str:
    done = CliRunner().invoke(program, ["bench", "capacity", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_page_shows_what_the_command_prints() -> None:
    parts = (DOCS / "how-to/capacity.md").read_text(encoding="utf-8").split("```sh\n")[1:]
    assert len(parts) == 3
    for part in parts:
        called, _, rest = part.partition("```\n\n```text\n")
        program_name, bench, name, *arguments = shlex.split(called)
        assert (program_name, bench, name) == ("notify-sse", "bench", "capacity")
        assert _said(*arguments) == rest.partition("```")[0]


def test_the_formula_of_the_page_has_the_figures_of_the_code() -> None:
    page = (DOCS / "how-to/capacity.md").read_text(encoding="utf-8").replace("\u00d7", "x").replace("\u2212", "-")
    planned = capacity.LOG_RATE * capacity.SHARE
    for text in (
        f"at most {planned:,.0f} notifications a second",
        f"at most {capacity.LIVE_MBIT_S * capacity.SHARE:.0f} Mbit/s",
        f"streams ÷ {capacity.STREAMS_PER_GATEWAY:,}, and ",
        f"rate x reach x {capacity.DELIVERY_US} µs ÷ ({capacity.SHARE} s - rate x firehose)",
        f"{capacity.FIREHOSE_US} µs + {capacity.FIREHOSE_US_PER_KB:g} µs for each KB",
        f"{capacity.PROCESS_MB:g} MB + {capacity.TAIL_MB:g} MB of tail",
        f"(`TAIL_MAX_BYTES`) + {capacity.STREAM_KB:g} KB a stream",
        f"a core of {capacity.INGEST_US:g} µs a notification",
        f"rate x {capacity.BROKER_US:g} µs ÷ {capacity.SHARE}",
        f"rate x {capacity.DATABASE_US:g} µs ÷ {capacity.SHARE}",
        f"daily x days x ({capacity.ROW_BYTES} bytes + payload) x {capacity.DISK_SLACK}",
        f"{capacity.DATABASE_CONNECTIONS} x processes + {capacity.OTHER_CONNECTIONS} a cell",
        f"{capacity.BROKER_CONNECTIONS} x processes",
        f"rate x reach x (payload + {capacity.ENVELOPE_BYTES} bytes)",
        f"streams of a gateway ÷ {capacity.CONNECTS_PER_S:,} a second",
    ):
        assert text in page, text


def test_the_tables_of_the_page_on_scaling_are_those_of_the_script() -> None:
    page = (DOCS / "explanation/scaling.md").read_text(encoding="utf-8")
    for table in (one_cell(), growth()):
        assert "\n\n" + "\n".join(table) + "\n\n" in page


@given(LOADS)
def test_what_is_needed_is_enough(load: Load) -> None:
    """With one gateway of each cell down, no working gateway has too many streams, nor more than half of its core to
    do; no log and no broker has more than its half.
    """
    needed = need(load)
    working = needed.gateways - needed.cells
    rate = load.rate / needed.cells
    assert load.streams / working <= capacity.STREAMS_PER_GATEWAY + 1
    busy_us = load.rate * load.reach * capacity.DELIVERY_US / working + rate * capacity.firehose_us(load.size)
    assert busy_us <= 1e6 * capacity.SHARE * 1.001
    assert rate <= capacity.LOG_RATE * capacity.SHARE * 1.001
    assert capacity.live_mbit_s(load, cells=needed.cells) <= capacity.LIVE_MBIT_S * capacity.SHARE
    for cores, each_us in ((needed.broker_cores, capacity.BROKER_US), (needed.database_cores, capacity.DATABASE_US)):
        assert load.rate * each_us <= cores * 1e6 * capacity.SHARE * 1.001


@given(LOADS, st.sampled_from(["streams", "rate", "reach", "daily", "retention_days"]))
def test_more_load_never_needs_less(load: Load, name: str) -> None:
    """Of processes and disk, as long as the number of cells stays: another one is a step of its own."""
    more = msgspec.structs.replace(load, **{name: getattr(load, name) * 2})
    one, two = need(load), need(more)
    assert two.cells >= one.cells
    if two.cells == one.cells:
        assert two.gateways >= one.gateways
        assert two.database_connections >= one.database_connections
    assert two.disk_gb >= one.disk_gb


def test_one_cell_is_enough_for_what_one_machine_does() -> None:
    needed = need(Load(streams=10_000, rate=1_000, size=200, reach=1.0, daily=1e6, retention_days=7))
    assert (needed.cells, needed.gateways, needed.ingesters) == (1, 2, 2)
    assert needed.disk_gb == pytest.approx(7.35, abs=0.06)  # docs/how-to/postgres.md: 4.9 GB, and half of it for slack


def test_programs_read_it_as_json() -> None:
    """`daily` is the peak all day, unless it is given."""
    read = json.loads(_said("--streams", "5", "--rate", "2", "--json"))
    assert read["load"]["daily"] == 2 * 86_400
    assert read["need"]["gateways"] == 2


@pytest.mark.parametrize(
    "arguments",
    [["--streams", "5"], ["--rate", "5"], ["--streams", "0", "--rate", "5"], ["--streams", "5", "--rate", "0"]],
)
def test_what_makes_no_load_is_called_wrongly(arguments: list[str]) -> None:
    done = CliRunner().invoke(program, ["bench", "capacity", *arguments])
    assert done.exit_code == 2
    assert "bench capacity --help" in done.output


def test_scenarios_are_still_taken_beside_it() -> None:
    """`capacity` is no scenario: it is a command only in the first place."""
    done = CliRunner().invoke(program, ["bench", "idle", "capacity"])
    assert done.exit_code == 2
    assert "'capacity' is not one of" in done.output


def test_the_firehose_can_be_measured_again() -> None:
    """At its smallest; what comes out depends on the machine."""
    assert 0.1 < measured_us(size=200, batch=50, events=1_000) < 1_000
