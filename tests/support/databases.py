"""SQLite databases that have their schema already: to make one anew takes each service that a test starts a third of
the CPU of its start.
"""

import atexit
import contextlib
import functools
import os
import secrets
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path


def set_up(path: Path) -> None:
    """Put a database at `path` that is as `notify-sse migrate` makes it: empty, with an epoch of its own."""
    shutil.copyfile(_made(), path)
    path.chmod(0o600)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE log_head SET epoch = ?", (secrets.token_hex(5),))


@functools.cache
def _made() -> Path:
    """One that `notify-sse migrate` made. It is there as long as this process."""
    directory = Path(tempfile.mkdtemp(prefix="notify-sse-database-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    path = directory / "notify-sse.db"
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_SSE_", "OTEL_"))}
    env |= {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{path}"}
    subprocess.run([sys.executable, "-m", "notify_sse", "migrate"], env=env, check=True, capture_output=True)
    return path
