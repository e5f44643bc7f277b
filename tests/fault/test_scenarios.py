"""The small forms of the scenarios; `python -m tests.fault NAME` runs them in full, with their figures."""

import pytest
import uvloop

from tests.fault import packets
from tests.fault.finding import Finding
from tests.fault.nameless import committed_in_vain
from tests.fault.scenarios import half_open, reconnect, replay, rollout, stalled, upgrade, without_ids, workers
from tests.fault.stage import Given
from tests.support.services import RabbitServer


@pytest.fixture
def given(broker_url: str, amqp_prefix: str, database_url: str) -> Given:
    """The servers of this run of the suite."""
    return Given(broker_url, database_url, amqp_prefix)


def _timeless(finding: Finding) -> list[str]:
    """What was wrong, but for figures that a shared machine cannot keep."""
    return [line for line in finding.wrong if "p99 went" not in line and "it took over" not in line]


@pytest.mark.deadline(120)
def test_a_crowd_that_reconnects_is_served_from_the_tail(given: Given) -> None:
    """One of two gateways is killed: every stream is back with what it missed; the log is not asked, all get 200."""
    assert _timeless(uvloop.run(reconnect.run(streams=400, notifications=200, given=given))) == []


@pytest.mark.deadline(120)
def test_a_worker_that_dies_cuts_no_other_stream(given: Given) -> None:
    """Under the supervisor, one worker's death is its own streams' reconnect."""
    assert _timeless(uvloop.run(workers.run(streams=60, kills=1, given=given))) == []


@pytest.mark.deadline(120)
def test_half_open_peers_are_let_go_and_miss_nothing(given: Given) -> None:
    """Packets vanish both ways: the gateway lets go within its limit, neighbours are not met."""
    if not packets.available():
        pytest.skip("dropping packets takes root and a kernel with iptables")
    assert _timeless(uvloop.run(half_open.run(clients=15, given=given))) == []


@pytest.mark.deadline(180)
def test_readers_that_stall_miss_nothing_and_cost_no_memory(given: Given) -> None:
    """Those that go on in time, and those that are cut off and come back, have received all exactly once."""
    assert _timeless(uvloop.run(stalled.run(stalled=40, flood=50, phase_s=1.5, given=given))) == []


@pytest.mark.deadline(120)
def test_a_long_replay_is_whole_and_cheap(given: Given) -> None:
    """Every event once and in order, in bounded memory, while others are live."""
    assert _timeless(uvloop.run(replay.run(events=10_000, clients=4, phase_s=2.0, given=given))) == []


@pytest.mark.deadline(120)
def test_the_rollout_goes_up_and_down_and_nobody_misses_anything(given: Given) -> None:
    """Clients of the package poll, stream, and half of them poll again: all, once, in order, each where it is meant
    within 10 s of each step, which a machine that is not ours alone keeps too.
    """
    found = uvloop.run(rollout.run(clients=100, per_s=50.0, stay_s=1.0, poll_after_s=1, given=given))
    assert found.wrong == []
    assert (found.figures["lost"], found.figures["repeated"]) == (0, 0)


def test_what_was_committed_in_vain_is_told_by_batches() -> None:
    """All copies but the last of each, as stretches of the log: what one lost connection can have left there."""
    found = {1: [1], 2: [2, 5], 3: [3, 6], 4: [4], 5: [7, 8, 9]}
    assert committed_in_vain(found) == [[2, 3], [7, 8]]
    assert committed_in_vain({1: [1], 2: [2]}) == []


@pytest.mark.deadline(120)
def test_messages_without_ids_are_kept_and_at_most_what_was_under_commit_is_stored_twice(
    given: Given, rabbitmq_server: RabbitServer
) -> None:
    """Over broker cuts, database outages, and a database that is away for 30 consumer timeouts."""
    found = uvloop.run(
        without_ids.run(
            cuts=4, outages=3, kills=0, outage_s=0.6, timeout_s=0.2, gateways=1, given=given, rabbitmq=rabbitmq_server
        )
    )
    assert found.wrong == []


@pytest.mark.deadline(300)
def test_each_version_starts_beside_the_other_and_nothing_is_lost(given: Given) -> None:
    """Three gateways go from this version to the next, and one of them back, each as it is shipped, while many publish
    and read; at each step a process is killed, and so is `migrate`. Nothing is lost or repeated, and no host is gone.
    """
    found = uvloop.run(upgrade.run(clients=24, per_s=40.0, rounds=1, back=1, given=given))
    assert found.wrong == []
    assert (found.figures["lost"], found.figures["repeated"]) == (0, 0)
