"""The short form of `make fuzz`: some of each kind, with a watchdog beside a service on RabbitMQ and Postgres."""

import pytest

from tests.security import fuzz
from tests.security.fuzz import Counts
from tests.security.watchdog import Vitals
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
    ends = {finding.kind: finding.ends for finding in fuzz.in_process(SHORT, seed=SEED)}
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
