"""Node for the tests: npm and the packages that tests/client/package-lock.json names."""

import fcntl
import os
import subprocess
import tempfile
from pathlib import Path

from tests.services import CannotStart, ensure

FOLDER = Path(__file__).parent
_INSTALLED = FOLDER / "node_modules/.notify-sse-lock"


def prepared() -> None:
    """Have Node there and the packages installed; once for each change of the lock file."""
    ensure("node")
    with (Path(tempfile.gettempdir()) / "notify-sse-npm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        wanted = (FOLDER / "package-lock.json").read_text()
        if not _INSTALLED.exists() or _INSTALLED.read_text() != wanted:
            npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
            _INSTALLED.write_text(wanted)


def npm(*args: str, timeout_s: float = 300) -> str:
    """What `npm ...args` says; CannotStart, with all of it, when it fails."""
    done = subprocess.run(
        ["npm", *args],
        cwd=FOLDER,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    if done.returncode:
        raise CannotStart(f"npm {' '.join(args)} failed:\n{done.stdout}")
    return done.stdout


def environment() -> dict[str, str]:
    """Of commands that need the packages from elsewhere than their folder."""
    return os.environ | {"NODE_PATH": str(FOLDER / "node_modules")}
