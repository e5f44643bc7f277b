"""deploy/k6: both scripts, run against a service with stand-ins for the modules of k6 (neither shipped nor needed)."""

import asyncio
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.support.service import Service, ServiceFactory
from tests.support.services.nodejs import Node
from tests.support.tokens import SECRET

SCRIPTS = Path(__file__).parents[2] / "deploy/k6"
RUN = Path(__file__).parent / "k6/run.mjs"
AMOUNTS = {"USERS": "4", "RATE": "20", "SECONDS": "1.5", "CONNECT_S": "1.5", "P95_MS": "2000"}


async def _run(node: Node, script: str, running: Service, **given: str) -> tuple[int, dict[str, Any]]:
    env = AMOUNTS | {"URL": running.url, "JWT_SECRET": SECRET} | given
    command: list[str | Path] = [
        node.executable_path,
        RUN,
        SCRIPTS / script,
        *(f"{name}={value}" for name, value in env.items()),
    ]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


@pytest.mark.parametrize("script", ["streams.js", "history.js"])
async def test_a_script_passes_when_everything_arrives(service: ServiceFactory, node: Node, script: str) -> None:
    """Thirty notifications to four users: each received once, nothing missed, no threshold crossed."""
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"})
    code, summary = await _run(node, script, running)
    assert summary["crossed"] == []
    assert code == 0
    assert summary["counters"]["notifications_received"] == 30
    assert summary["counters"]["notifications_lost"] == 0


async def test_a_script_fails_when_tokens_are_refused(service: ServiceFactory, node: Node) -> None:
    """A threshold is crossed, and the exit code is k6's."""
    running = await asyncio.to_thread(service, env={"HEARTBEAT_S": "0.5"})
    given = {"JWT_SECRET": "another secret, of over 32 bytes too", "SECONDS": "0.5", "CONNECT_S": "0.5"}
    code, summary = await _run(node, "streams.js", running, **given)
    assert code == 99
    assert {"checks: rate==1", "notifications_received: count>0"} <= set(summary["crossed"])
