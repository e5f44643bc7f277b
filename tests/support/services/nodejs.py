"""Node, with the npm packages of tests/system/clients (clients that are not ours, as their users have them)."""

import fcntl
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.services.packages import ensure, executable
from tests.support.services.processes import CannotStart, Process, spawn

CLIENTS = Path(__file__).parents[2] / "system" / "clients"


class Node(NamedTuple):
    """An installed Node; what runs in `directory` finds the packages of tests/system/clients."""

    executable_path: str
    directory: Path

    def run(self, *arguments: str | Path, within_s: float = 60) -> str:
        """What `node <arguments>` prints; an error, with what it said, when it fails."""
        done = subprocess.run(
            [self.executable_path, *map(str, arguments)],
            cwd=self.directory,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"node {arguments[0]} ended with {done.returncode}: {done.stderr or done.stdout}")
        return done.stdout

    def start(self, arguments: Sequence[str | Path], *, log: Path, env: Mapping[str, str] | None = None) -> Process:
        """`node <arguments>` in the background, its output in `log`."""
        environment = os.environ | dict(env or {})
        return spawn([self.executable_path, *arguments], log=log, env=environment, cwd=self.directory)


def node() -> Node:
    """The installed Node, its packages brought up to tests/system/clients/package-lock.json."""
    install(CLIENTS)
    return Node(executable("node"), CLIENTS)


def install(folder: Path) -> None:
    """Have Node there, and in `folder` what its package-lock.json names; `npm ci` once for each change of that."""
    ensure("node")
    lock_file, stamp = folder / "package-lock.json", folder / "node_modules/.installed-lock.json"
    with lock_file.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if stamp.exists() and stamp.read_bytes() == lock_file.read_bytes():
            return
        command = [executable("npm"), "ci", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotStart(f"npm ci in {folder.name} failed: {done.stderr.strip()}")
        shutil.copy(lock_file, stamp)
