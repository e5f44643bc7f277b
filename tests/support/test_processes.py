"""Processes by pid: killed with everything below them, reaped, and never mistaken for another."""

import os
import signal
import socket
from pathlib import Path

import pytest

from tests.support.services.processes import PORTS, Process, free_port, spawn, wait_until

SLEEP = ("sleep", "60")
FAMILY = ("sh", "-c", "setsid sleep 60 & wait")


def _spawn(tmp_path: Path, *command: str) -> Process:
    return spawn(command, log=tmp_path / "log", env=os.environ, cwd=tmp_path)


def test_kill_takes_the_whole_family_and_leaves_no_zombie(tmp_path: Path) -> None:
    """Children in other sessions too; and twenty times, since a zombie shows only for some timings."""
    parent = _spawn(tmp_path, *FAMILY)
    wait_until(parent.descendants, within_s=30, what="the child")
    family = [parent, *parent.descendants()]
    parent.kill()
    assert not any(process.alive for process in family)
    for _ in range(20):
        single = _spawn(tmp_path, *SLEEP)
        single.kill()
        assert not Path(f"/proc/{single.pid}").exists()


def test_a_frozen_process_stands_still_until_thawed_and_ends_when_asked(tmp_path: Path) -> None:
    process = _spawn(tmp_path, *SLEEP)
    process.freeze()
    assert process.frozen
    process.thaw()
    wait_until(lambda: not process.frozen, within_s=30, what="SIGCONT")
    process.freeze()
    process.end(signal.SIGTERM, within_s=30)
    assert not process.alive


def test_another_process_with_the_same_pid_is_left_alone(tmp_path: Path) -> None:
    """A pid counts only with the time that its process started."""
    process = _spawn(tmp_path, *SLEEP)
    stranger = Process(process.pid, process.started - 1)
    assert not stranger.alive
    stranger.send(signal.SIGKILL)
    assert process.alive
    process.kill()


def test_a_wait_in_vain_names_what_it_waited_for() -> None:
    with pytest.raises(TimeoutError, match="in vain for the moon"):
        wait_until(lambda: False, within_s=0.05, what="the moon")


def test_free_ports_can_be_bound_and_are_not_ephemeral() -> None:
    """A client's own port, taken from the ephemeral range, must never be the one of a server that is down."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    assert PORTS.stop <= first_ephemeral
    with socket.create_server(("127.0.0.1", free_port())) as server:
        assert server.getsockname()[1] in PORTS
