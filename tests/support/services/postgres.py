"""A private Postgres on a free loopback port, from the installed binaries.

fsync stays on: tests kill it in the middle of commits and count what is left. Postgres refuses to run as root, so
root runs it as an unprivileged user.
"""

import os
import pwd
import shutil
import signal
import subprocess
import uuid
from abc import abstractmethod
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.services.processes import CannotStart, Process, accepts, free_port, spawn, wait_ready
from tests.support.services.server import Server

USER = "notify"
DATABASE = "notify_sse"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",
    "dynamic_shared_memory_type": "mmap",  # a chroot may have no /dev/shm
    "log_min_messages": "warning",
    "log_line_prefix": "%m [%p] %d ",
}


def binaries() -> Path | None:
    """The folder of the newest installed Postgres server, or None."""
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if versions:
        return versions[-1].parent
    on_path = shutil.which("postgres")
    return Path(on_path).resolve().parent if on_path else None


class PostgresServer(Server):
    """A Postgres, with a fresh database for whoever asks."""

    @abstractmethod
    def database_url(self, name: str) -> str:
        """The URL of the database `name`."""

    @abstractmethod
    def sql(self, statement: str, *, database: str = DATABASE) -> str:
        """What psql prints (unaligned, tuples only) for one statement."""

    @property
    def url(self) -> str:
        """The URL of a database that is there from the start."""
        return self.database_url(DATABASE)

    def create_database(self) -> str:
        """A fresh, empty database; returns its URL."""
        name = f"test_{uuid.uuid4().hex[:12]}"
        self.sql(f'CREATE DATABASE "{name}"', database="postgres")
        return self.database_url(name)

    def drop_database(self, url: str) -> None:
        """Drop it, ending the connections that it still has."""
        name = urlsplit(url).path.lstrip("/")
        self.sql(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', database="postgres")


class InstalledPostgres(PostgresServer):
    """A `PostgresServer` from the installed binaries.

    Its data are in `directory`, which must not be below a folder that only root may enter.
    `start()` after `kill()`, `stop()` or `attach()` runs it again on the same port and data. `settings` are
    postgresql.conf settings beside `SETTINGS`.
    """

    END = signal.SIGINT

    def __init__(self, directory: Path, *, port: int | None = None, settings: dict[str, str] | None = None) -> None:
        found = binaries()
        if found is None:
            raise CannotStart("no Postgres server is installed")
        self.port = port or free_port()
        self.directory = directory
        self.data = directory / "data"
        self.log = directory / "postgres.log"
        self.process: Process | None = None
        self._bin = found
        self._settings = SETTINGS | (settings or {})
        self._user = unprivileged() if os.geteuid() == 0 else None
        self._env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "TZ": "UTC", "HOME": str(directory)}

    def database_url(self, name: str) -> str:
        return f"postgresql://{USER}:{USER}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Start it, creating the cluster the first time; returns once it answers queries."""
        fresh = not (self.data / "PG_VERSION").exists()
        if fresh:
            self._create_cluster()
        options = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._bin / "postgres", "-D", self.data, "-p", str(self.port), *options]
        self.process = spawn(command, log=self.log, env=self._env, cwd=self.directory, user=self._user)
        wait_ready(self.process, self._answers, within_s=60, log=self.log)
        if fresh:
            self.sql(f'CREATE DATABASE "{DATABASE}"', database="postgres")

    def stop(self) -> None:
        """End it, rolling back what runs; every connection is closed."""
        if self.process:
            self.process.end(self.END, within_s=20)
        self.process = None

    def discard(self) -> None:
        """End it, and remove its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self) -> None:
        """SIGKILL the postmaster and every backend at once, as a power cut of the process."""
        if self.process:
            self.process.kill()
        self.process = None

    def freeze(self) -> None:
        """SIGSTOP all of it: connections stay open and nothing answers."""
        self._running().freeze()

    def thaw(self) -> None:
        self._running().thaw()

    @property
    def processes(self) -> list[Process]:
        """What there is to signal."""
        return [self.process] if self.process else []

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.alive

    def sql(self, statement: str, *, database: str = DATABASE) -> str:
        done = self._psql(statement, database)
        if done.returncode:
            raise RuntimeError(f"{statement}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _psql(self, statement: str, database: str) -> subprocess.CompletedProcess[str]:
        command = [str(self._bin / "psql"), "-XAtq", "-v", "ON_ERROR_STOP=1", "-d", self.database_url(database)]
        return subprocess.run(
            [*command, "-c", statement], env=self._env, cwd=self.directory, capture_output=True, text=True, check=False
        )

    def _answers(self) -> bool:
        return accepts(self.port) and self._psql("SELECT 1", "postgres").returncode == 0

    def _running(self) -> Process:
        assert self.process is not None, "Postgres does not run"
        return self.process

    def _create_cluster(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        self.directory.chmod(0o711)
        self.data.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self.data, self._user)
        command = [str(self._bin / "initdb"), "-D", str(self.data), "-U", USER, "-E", "UTF8", "--locale=C.UTF-8"]
        done = subprocess.run(
            [*command, "--auth=trust", "--no-sync", "--no-instructions"],
            env=self._env,
            cwd=self.directory,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotStart(f"initdb failed: {' '.join(done.stderr.split())}")


def unprivileged() -> str:
    """A user to run as, instead of root."""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    raise CannotStart("Postgres does not run as root, and there is no user postgres or nobody")
