"""The development servers outlive the command that starts them, and leave nothing when they are stopped."""

import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.services.processes import Process, accepts

REPOSITORY = Path(__file__).parents[2]


def _services(directory: Path, command: str) -> subprocess.CompletedProcess[str]:
    env = os.environ | {"PYTHONPATH": str(REPOSITORY)}
    arguments = [sys.executable, "-m", "tests.support.services", command]
    return subprocess.run(arguments, cwd=directory, env=env, capture_output=True, text=True, check=False, timeout=240)


def _exports(said: str) -> dict[str, str]:
    return dict(line.removeprefix("export ").split("=", 1) for line in said.splitlines())


def test_up_is_idempotent_and_down_leaves_nothing_behind(tmp_path: Path) -> None:
    """A second `up` prints the same URLs; after `down` no process, no data, and nothing to print is left."""
    first = _services(tmp_path, "up")
    try:
        assert first.returncode == 0, first.stderr
        exports = _exports(first.stdout)
        ports = [urlsplit(url).port or 0 for url in exports.values()]
        assert len(exports) == 4
        assert all(accepts(port) for port in ports)
        assert _exports(_services(tmp_path, "up").stdout) == exports
        assert _exports(_services(tmp_path, "env").stdout) == exports
        state = json.loads((tmp_path / ".services/state.json").read_text())
    finally:
        stopped = _services(tmp_path, "down")
    assert stopped.returncode == 0, stopped.stderr
    assert not any(Process(*at).alive for server in state["servers"].values() for at in server["processes"])
    assert not any(accepts(port) for port in ports)
    assert not Path(state["directory"]).exists()


def test_env_and_down_with_nothing_running_are_short(tmp_path: Path) -> None:
    """`down` is done at once; `env` fails in one line that says what to run."""
    assert _services(tmp_path, "down").returncode == 0
    nothing = _services(tmp_path, "env")
    assert nothing.returncode == 1
    assert nothing.stdout == ""
    assert nothing.stderr == "services: nothing runs; start it with: make services\n"
