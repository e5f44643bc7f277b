"""deploy/k6: both scripts, run against a service with stand-ins for the modules of k6 (neither shipped nor needed)."""

import asyncio
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.k6.bad_service import bad_service
from tests.deploy.k6.coverage import not_run
from tests.support.service import ServiceFactory
from tests.support.services.nodejs import Node
from tests.support.tokens import SECRET

SCRIPTS = Path(__file__).parents[2] / "deploy/k6"
RUN = Path(__file__).parent / "k6/run.mjs"
AMOUNTS = {"USERS": "4", "RATE": "20", "SECONDS": "1.5", "CONNECT_S": "4", "P95_MS": "2000"}


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    """Where Node writes what it has run."""
    return tmp_path / "reports"


async def _run(node: Node, script: str, url: str, reports: Path, **given: str) -> tuple[int, dict[str, Any]]:
    values = AMOUNTS | {"URL": url, "JWT_SECRET": SECRET} | given
    return await _node(node, reports, SCRIPTS / script, *(f"{name}={value}" for name, value in values.items()))


async def _node(node: Node, reports: Path, *arguments: str | Path) -> tuple[int, dict[str, Any]]:
    command = [node.executable_path, RUN, *arguments]
    env = os.environ | {"NODE_V8_COVERAGE": str(reports)}
    done = await asyncio.to_thread(
        subprocess.run, command, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("script", ["streams.js", "history.js"])
async def test_a_script_passes_and_fails_as_it_should_and_every_line_of_it_has_run(
    service: ServiceFactory, node: Node, script: str, reports: Path
) -> None:
    """Thirty notifications to four users: each received once, nothing missed, no threshold crossed. A service that
    repeats, loses, cuts and refuses: every threshold is crossed. Without its key it does not begin. Then V8 has seen
    every part of every line run.
    """
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"})
    code, summary = await _run(node, script, running.url, reports)
    assert summary["crossed"] == []
    assert code == 0
    assert summary["counters"]["notifications_received"] == 30
    assert summary["counters"]["notifications_lost"] == 0
    await _finds_what_is_wrong(node, script, reports)
    _, said = await _node(node, reports, SCRIPTS / script)
    assert said["missing"] == "give the key of the service: -e JWT_SECRET=…"
    assert said["options"]["thresholds"]["delivery_ms"] == ["p(95)<100"]
    assert said["options"]["scenarios"]["users"]["vus"] == 5000
    assert not_run(SCRIPTS / script, reports) + not_run(SCRIPTS / "common.js", reports) == []


async def _finds_what_is_wrong(node: Node, script: str, reports: Path) -> None:
    with bad_service() as url:
        given = {"USERS": "1", "SECONDS": "0.5", "CONNECT_S": "0.5"}
        code, summary = await _run(node, script, url, reports, **given)
    assert code == 99
    assert set(summary["crossed"]) == {
        "delivery_ms: p(95)<2000",
        "notifications_repeated_or_out_of_order: count==0",
        "notifications_lost: count==0",
        "checks: rate==1",
    }
    assert summary["counters"]["notifications_lost"] == 2


async def test_a_script_fails_when_tokens_are_refused(service: ServiceFactory, node: Node, reports: Path) -> None:
    """A threshold is crossed, and the exit code is k6's."""
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"})
    given = {"JWT_SECRET": "another secret, of over 32 bytes too", "SECONDS": "0.5", "CONNECT_S": "0.5"}
    code, summary = await _run(node, "streams.js", running.url, reports, **given)
    assert code == 99
    assert {"checks: rate==1", "notifications_received: count>0"} <= set(summary["crossed"])
