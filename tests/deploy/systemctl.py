"""`systemctl` for a machine that is a folder: starts what a unit says, with its environment, and none of its rights.

`python -m tests.deploy.systemctl FOLDER …`, where `…` is what systemctl is given. notify-sse@ is started from its unit
as it was installed; nginx and Prometheus by `FOLDER/units/NAME`, a command line each, in place of Debian's own units.
"""

import configparser
import shlex
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.services.processes import Process, accepts, spawn, wait_ready, wait_until

PATH = "/usr/bin:/bin:/usr/sbin"


def main(folder: Path, command: str, *arguments: str) -> None:
    """Raises for whatever the page does not use."""
    if command == "daemon-reload":
        (folder / "reloaded").touch()
        return
    if command == "enable":
        assert arguments[0] == "--now"
        arguments = arguments[1:]
    else:
        assert command == "restart", command
    for unit in arguments:
        _stop(folder, unit)
        _start(folder, unit)


def running(folder: Path) -> dict[str, Process]:
    """What was started, by unit."""
    return {file.name: Process(*map(int, file.read_text().split())) for file in sorted((folder / "running").glob("*"))}


def _stop(folder: Path, unit: str) -> None:
    if process := running(folder).get(unit):
        process.send(signal.SIGTERM)
        wait_until(lambda: not process.alive, within_s=25, what=f"the end of {unit}")  # TimeoutStopSec


def _start(folder: Path, unit: str) -> None:
    template, _, instance = unit.partition("@")
    log = folder / f"{unit}.log"
    if instance:
        command, env = _told_by_unit(folder, template, instance)
        process = spawn(command, log=log, env=env, cwd=folder)
    else:
        command = shlex.split((folder / "units" / unit).read_text())
        process = spawn(command[1:], log=log, env={"PATH": PATH}, cwd=folder)
        wait_ready(process, lambda: accepts(int(command[0])), within_s=60, log=log)
    (folder / "running").mkdir(exist_ok=True)
    (folder / "running" / unit).write_text(f"{process.pid} {process.started}")


def _told_by_unit(folder: Path, template: str, instance: str) -> tuple[list[str], Mapping[str, str]]:
    """ExecStart, and the environment."""
    assert (folder / "reloaded").exists(), "systemd has not read the unit"
    parser = configparser.ConfigParser(strict=True, interpolation=None, delimiters=("=",))
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    assert parser.read(folder / f"etc/systemd/system/{template}@.service")
    service = parser["Service"]
    state = folder / "var/lib" / service["StateDirectory"]
    state.mkdir(parents=True, exist_ok=True)
    lines = Path(service["EnvironmentFile"]).read_text().splitlines()
    given = [line for line in lines if line and not line.startswith("#")]
    given += service["Environment"].replace("%i", instance).split()
    env = {"PATH": PATH, "STATE_DIRECTORY": str(state)}
    return shlex.split(service["ExecStart"]), env | dict(line.split("=", 1) for line in given)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *sys.argv[2:])
