"""The floor of `make coverage`: it fails for a line that no test runs, unless the line says why it may be left out."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CONFIGURATION = Path(__file__).parents[2] / "setup.cfg"
CODE = """def half(n: int) -> int:
    if n < 0:
        return -half(-n){pragma}
    return n // 2
"""


def _coverage(directory: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "coverage", arguments[0], f"--rcfile={CONFIGURATION}", *arguments[1:]]
    env = os.environ | {"PYTHONPATH": str(directory)}
    return subprocess.run(command, cwd=directory, env=env, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(
    ("pragma", "calls", "passes"),
    [
        ("", "half(4), half(-4)", True),
        ("", "half(4)", False),
        ("  # pragma: no cover - nobody has less than nothing", "half(4)", True),
        ("  # pragma: no cover", "half(4)", False),
    ],
    ids=["every line is run", "a line is not run", "a line is not run for a reason", "a line is not run for no reason"],
)
def test_a_line_that_no_test_runs_fails(tmp_path: Path, pragma: str, calls: str, passes: bool) -> None:
    """With the configuration of this repository, on a package of the same name."""
    for room in ("core", "log", "gateway"):
        (tmp_path / "notify_sse" / room).mkdir(parents=True)
        (tmp_path / "notify_sse" / room / "__init__.py").touch()
    (tmp_path / "notify_sse/__init__.py").touch()
    (tmp_path / "notify_sse/core/halves.py").write_text(CODE.format(pragma=pragma))
    imports = "import notify_sse.gateway, notify_sse.log\nfrom notify_sse.core.halves import half\n"
    (tmp_path / "run.py").write_text(f"{imports}{calls}\n")
    ran = _coverage(tmp_path, "run", "run.py")
    assert ran.returncode == 0, ran.stderr
    report = _coverage(tmp_path, "report")
    assert (report.returncode == 0) == passes, report.stdout
    assert passes or "halves.py" in report.stdout
