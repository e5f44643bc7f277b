"""The short form of `make fuzz`: some of each kind, with a watchdog beside a service on RabbitMQ and Postgres."""

from random import Random
from typing import Any, cast

import msgspec
import pytest

from tests.security import fuzz
from tests.security.fuzz import Counts
from tests.security.siege import Siege
from tests.security.watchdog import Vitals, Watchdog
from tests.support.service import ServiceFactory

SEED = 1
SHORT = Counts(
    bodies=3000,
    frames=1000,
    tokens=2000,
    cursors=2000,
    queries=300,
    publishes=300,
    raw_http=300,
    raw_websocket=200,
    amqp=300,
)


def test_the_parsers_take_or_refuse_everything_by_name_and_soon() -> None:
    findings = list(fuzz.in_process(SHORT, seed=SEED))
    assert not [finding for finding in findings if finding.wrong], "\n".join(map(str, findings))
    ends = {finding.kind: finding.ends for finding in findings}
    assert {"taken", "malformed", "invalid_field", "unknown_field", "missing_field", "too_deep"} <= set(ends["bodies"])
    assert set(ends["cursors"]) == {"taken", "refused"}
    assert set(ends["frames"]) == {"equal"}
    assert ends["tokens"]["refused"] > SHORT.tokens * 0.9


async def test_a_service_lives_through_hostile_bytes_and_holds_nothing_of_them(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    running = service(broker_url=broker_url, database_url=database_url, amqp_prefix=amqp_prefix)
    findings = await fuzz.at_a_service(running, SHORT, seed=SEED)
    findings.append(await fuzz.amqp(running, broker_url, amqp_prefix, SHORT, seed=SEED))
    assert not [finding for finding in findings if finding.wrong], "\n".join(map(str, findings))
    met = {finding.kind: set(finding.ends) for finding in findings}
    assert {"200", "400"} <= met["queries"]
    assert {"201", "400"} <= met["publishes"]
    assert "401" in met["tokens sent"]
    assert "101" in met["raw WebSocket"]


@pytest.mark.parametrize(
    ("after", "wrong"),
    [
        (Vitals(100_000, 20, 0, 0, 0.0), ""),
        (Vitals(100_000, 20, 3, 0, 0.0), "streams"),
        (Vitals(150_000, 20, 0, 0, 0.0), "memory"),
        (Vitals(100_000, 60, 0, 0, 0.0), "open files"),
    ],
)
def test_the_watchdog_barks(after: Vitals, wrong: str) -> None:
    """At each thing that is left behind, and at nothing else."""
    found = fuzz.growth(Vitals(100_000, 20, 0, 0, 0.0), [], after)
    assert [wrong in one for one in found] == [True] * bool(wrong)
    more = fuzz.growth(after, [Vitals(0, 0, 5, 4, 0.0)], Vitals(0, 0, 0, 0, 0.0))
    assert [*more] == ["5 streams on 4 sockets"]


@pytest.mark.parametrize("kept_bytes", [0, 400_000])
def test_what_a_parser_keeps_is_seen(kept_bytes: int) -> None:
    """Growth is planted: by each input that it takes, it keeps a little more."""
    kept: list[bytes] = []

    def attempt(random: Random) -> str:
        kept.append(random.randbytes(kept_bytes))
        return "taken"

    finding = fuzz.measured("planted", attempt, count=300, seed=SEED)
    assert [one.startswith("memory grew") for one in finding.wrong] == [True] * bool(kept_bytes)
    assert finding.ends == {"taken": 300}


async def test_growth_of_a_service_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is planted in what the watchdog reads: memory, files and streams that stay after the attack."""
    monkeypatch.setattr(fuzz, "LINGER_S", 0.0)
    monkeypatch.setattr(fuzz, "SETTLE_S", 0.0)
    attempts = 0

    async def attempt(_: Random) -> str:
        nonlocal attempts
        attempts += 1
        return "taken"

    class Growing:
        def look(self) -> Vitals:
            return Vitals(100_000 + 1000 * attempts, 20 + attempts, attempts, 0, 0.0)

        def settled(self, **_: object) -> Vitals:
            return self.look()

        def errors(self) -> list[str]:
            return ["ERROR planted"]

    finding = await fuzz._watched(cast(Watchdog, Growing()), "planted", attempt, 200, SEED)
    told = "\n".join(finding.wrong)
    for wrong in ("streams on 0 sockets", "streams of clients", "open files grew", "memory grew", "ERROR planted"):
        assert wrong in told


GOOD = Siege(
    published=100,
    received=100,
    p99_quiet=0.01,
    p99_beside=0.02,
    p99_within=0.03,
    dropped=0,
    wrong=(),
    before=Vitals(100_000, 20, 10, 10, 0.0),
    peak_kb=130_000,
    after=Vitals(105_000, 20, 10, 11, 0.0),
    errors=(),
    streams_left=10,
)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({}, []),
        ({"dropped": 1}, ["1 healthy streams were ended"]),
        ({"received": 99}, ["100 published to healthy streams, 99 received"]),
        ({"wrong": ("came twice",)}, ["came twice"]),
        ({"errors": ("ERROR",)}, ["ERROR"]),
        ({"p99_within": 0.05}, ["p99 0.0200 → 0.0500 s"]),
        ({"after": Vitals(120_000, 20, 10, 10, 0.0)}, ["memory 100000 → 120000 KB"]),
        ({"after": Vitals(100_000, 20, 12, 12, 0.0)}, ["12 streams, 10 of them healthy"]),
        ({"after": Vitals(100_000, 20, 10, 9, 0.0)}, ["10 streams on 9 sockets"]),
    ],
)
def test_a_siege_fails_for_each_thing_that_may_not_be(change: dict[str, Any], told: list[str]) -> None:
    assert msgspec.structs.replace(GOOD, **change).faults() == told
