"""deploy/systemd: the unit is one that systemd takes, fits the drain, and gives few rights."""

import configparser
import re
import secrets
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from notify_sse.config import Settings, read_settings, variable
from notify_sse.errors import BadConfiguration

SYSTEMD = Path(__file__).parents[2] / "deploy/systemd"
UNIT = "notify-sse@.service"
PROGRAM = "/opt/notify-sse/current/bin/notify-sse"
DEFAULTS = Settings(state_dir="/nowhere", database_url="sqlite:////nowhere/log.db")


def _service() -> dict[str, str]:
    parser = configparser.ConfigParser(strict=True, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(SYSTEMD / UNIT)
    return dict(parser["Service"])


def _environment() -> dict[str, str]:
    text = (SYSTEMD / "notify-sse.env").read_text()
    return dict(re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE))


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit with the program of this environment, as instance 8001."""
    program = Path(sys.executable).with_name("notify-sse")
    text = (SYSTEMD / UNIT).read_text()
    assert PROGRAM in text
    (tmp_path / UNIT).write_text(text.replace(PROGRAM, str(program)))
    return tmp_path / UNIT.replace("@", "@8001")


def _analyze(*arguments: str | Path) -> str:
    program = shutil.which("systemd-analyze")
    if not program:
        pytest.skip("systemd-analyze is not installed: the unit is not checked by systemd here")
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.strip()) == (0, ""), done.stderr
    return done.stdout


def test_systemd_takes_the_unit(unit: Path) -> None:
    """No unknown directive, no wrong value, nothing missing."""
    _analyze("verify", unit)


def test_the_unit_gives_the_service_little(unit: Path) -> None:
    """`systemd-analyze security`: 10 is everything, 0 is nothing."""
    said = _analyze("security", "--offline=yes", unit)
    (level,) = re.findall(r"Overall exposure level.*: ([\d.]+)", said)
    assert float(level) <= 2


def test_there_is_time_for_the_drain() -> None:
    assert float(_service()["TimeoutStopSec"]) >= 2 * DEFAULTS.drain_s
    assert _service()["KillMode"] == "mixed", "workers would get SIGTERM twice"


def test_a_reload_reaches_the_supervisor_alone() -> None:
    """SIGHUP replaces the workers one by one; one that came to them too would be a second reload."""
    assert _service()["ExecReload"] == "/bin/kill -HUP $MAINPID"


def test_a_wrong_setting_is_not_tried_again_and_again() -> None:
    assert _service()["RestartPreventExitStatus"] == "78"
    assert _service()["Restart"] == "always"


def test_there_are_files_for_the_streams() -> None:
    assert int(_service()["LimitNOFILE"]) > 2 * DEFAULTS.max_streams


def test_the_environment_is_read_and_asks_for_a_key() -> None:
    """Each variable is a setting; with a key of one's own in it the service would start, with workers to reload."""
    given = _environment()
    assert set(given) <= {variable(name) for name in Settings.__struct_fields__}
    with pytest.raises(BadConfiguration, match="NOTIFY_SSE_JWT_SECRET"):
        read_settings(given)
    read = read_settings(given | {"NOTIFY_SSE_JWT_SECRET": secrets.token_hex(32)})
    assert read.workers >= 2
