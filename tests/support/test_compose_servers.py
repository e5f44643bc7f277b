"""Servers from compose.yaml, where there is Docker and not the servers: which commands are given to it.

Against a `docker` that writes down what it is told: there is no Docker engine where these tests run, so this shows
that each method gives the command that it means to, not what Docker does with it.
"""

import json
import os
from pathlib import Path

import pytest
import yaml

from tests.support.services import compose
from tests.support.services.compose import COMPOSE_FILE, ComposePostgres, ComposeRabbit

DOCKER = """#!/bin/sh
# Says what `docker` would: `ps` names a container while a file `running` is there.
printf '%s\\n' "$BROKER_PORT $DB_PORT $*" >> "$RECORD/commands"
case "$*" in
    *" up "*) touch "$RECORD/running" ;;
    *" kill "* | *" stop "*) rm -f "$RECORD/running" ;;
    *" ps "*paused*running* | *" ps "*running*paused*) [ -e "$RECORD/running" ] && echo 0123 ;;
    *" exec "*) echo answered ;;
esac
exit 0
"""


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that the fake `docker` on PATH writes to."""
    docker = tmp_path / "bin/docker"
    docker.parent.mkdir()
    docker.write_text(DOCKER)
    docker.chmod(0o755)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("RECORD", str(tmp_path))
    return tmp_path


def _commands(record: Path) -> list[list[str]]:
    """What `docker` was told since the last call: without the global options, and what only looks."""
    commands = [line.split() for line in (record / "commands").read_text().splitlines()]
    (record / "commands").write_text("")
    return [command[command.index("--project-name") + 2 :] for command in commands if not {"ps", "logs"} & set(command)]


def test_docker_with_compose_and_an_engine_is_usable(record: Path) -> None:
    assert compose.usable()
    (record / "bin/docker").write_text('#!/bin/sh\n[ "$1" = compose ]\n')
    assert not compose.usable()


def test_a_database_server_goes_through_its_life(record: Path, tmp_path: Path) -> None:
    """Each fault is the command for it; data are removed only by discard()."""
    server = ComposePostgres(tmp_path / "servers")
    server.start()
    assert _commands(record)[0] == ["up", "--detach", "--wait", "db"]
    server.freeze()
    server.kill()
    assert not server.running
    server.start()
    server.stop()
    assert _commands(record) == [
        ["pause", "db"],
        ["kill", "--signal", "SIGKILL", "db"],
        ["up", "--detach", "--wait", "db"],
        ["stop", "db"],
    ]
    server.discard()
    assert _commands(record) == [["down", "--volumes", "--timeout", "5"]]


def test_a_database_is_made_by_psql_in_the_container(record: Path, tmp_path: Path) -> None:
    server = ComposePostgres(tmp_path / "servers")
    url = server.create_database()
    assert url.startswith(f"postgresql://notify:notify@127.0.0.1:{server.port}/test_")
    (command,) = _commands(record)
    assert command[:4] == ["exec", "-T", "db", "psql"]
    assert command[-3:-1] == ["CREATE", "DATABASE"]


def test_a_broker_writes_down_its_queues_before_it_is_killed(record: Path, tmp_path: Path) -> None:
    server = ComposeRabbit(tmp_path / "servers")
    server.start()
    _commands(record)
    server.kill()
    first, second = _commands(record)
    assert first[:5] == ["exec", "-T", "broker", "rabbitmqctl", "-q"]
    assert second == ["kill", "--signal", "SIGKILL", "broker"]


def test_each_server_is_a_project_on_ports_of_its_own(record: Path, tmp_path: Path) -> None:
    """Two runs on one machine share nothing, and compose.yaml takes the ports from the variables that are set."""
    one, other = ComposeRabbit(tmp_path / "one"), ComposePostgres(tmp_path / "other")
    one.start()
    other.start()
    lines = (record / "commands").read_text().splitlines()
    projects = {line.split("--project-name ")[1].split()[0] for line in lines}
    assert len(projects) == 2
    assert any(line.startswith(f"{one.port} ") for line in lines)
    assert any(line.split()[0] == str(other.port) for line in lines)
    services = yaml.safe_load(COMPOSE_FILE.read_text())["services"]
    for name in ("BROKER_PORT", "BROKER_UI_PORT", "DB_PORT"):
        assert f"${{{name}:-" in json.dumps(services)
