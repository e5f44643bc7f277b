"""Node for the tests: npm and the packages that tests/client/package-lock.json names."""

import os
import subprocess
from pathlib import Path

from tests.support.services import CannotStart, nodejs

FOLDER = Path(__file__).parent


def prepared() -> None:
    """Have Node there and the packages installed; once for each change of the lock file."""
    nodejs.install(FOLDER)


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
