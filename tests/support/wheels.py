"""The wheel, built as a release is: from a copy of the sources, so that nothing is left beside them."""

import shutil
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
BUILT_FROM = ("LICENSE", "README.md", "migrations", "notify_sse", "pyproject.toml", "setup.cfg")
"""What the Docker build sees too: see .dockerignore."""


def copy_sources(folder: Path) -> Path:
    """What the wheel is built from, in a new `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in BUILT_FROM:
        place = REPOSITORY / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, folder / name)
    return folder


def built(sources: Path, folder: Path) -> Path:
    """The wheel of `sources`, in `folder`."""
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder), "."]
    done = subprocess.run(command, cwd=sources, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"no wheel: {done.stderr or done.stdout}"
    (wheel,) = folder.glob("notify_sse-*.whl")
    return wheel
