"""A private Postgres with what an operator gives it: TLS, a client certificate, standbys."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.support.certificate import Authority
from tests.support.services import InstalledPostgres, Process
from tests.support.services.postgres import SETTINGS

CERTIFIED = "certified"
"""A role that comes with a client certificate of this name, and with nothing else."""
UNSYNCED = {"fsync": "off"}
"""What is killed here is a process, and not the machine under it. Not in the files: a restored copy is as any other."""
REPLICATING = {
    "wal_level": "replica",
    "max_wal_senders": "4",
    "hot_standby": "on",
    "max_connections": "60",
    "wal_sender_timeout": "5s",
    "synchronous_commit": "on",
}


class Replicating(InstalledPostgres):
    """Its settings are in `postgresql.conf`, so that a copy of its data has them, and ALTER SYSTEM wins over them."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._written = SETTINGS | REPLICATING
        self._settings = UNSYNCED

    def _create_cluster(self) -> None:
        super()._create_cluster()
        certificates = self.directory / "certificates"
        self.authority = Authority(certificates)
        pair = self.authority.issue("server", hosts=("127.0.0.1",))
        for path in pair:
            self.give(path)
        self._written |= {"ssl": "on", "ssl_ca_file": str(self.authority.ca)}
        self._written |= {"ssl_cert_file": str(pair[0]), "ssl_key_file": str(pair[1])}
        with (self.data / "postgresql.conf").open("a") as conf:
            conf.writelines(f"{name} = '{value}'\n" for name, value in self._written.items())
        access = self.data / "pg_hba.conf"
        access.write_text(f"hostssl all {CERTIFIED} 127.0.0.1/32 cert\n{access.read_text()}")

    def give(self, path: Path) -> None:
        """Make `path` the server's own."""
        if self._user:
            shutil.chown(path, self._user)

    def run(self, script: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a shell script as the user that the server runs as."""
        return subprocess.run(
            ["bash", "-c", script],
            env=env,
            cwd=self.directory,
            user=self._user,
            group=self._user,
            extra_groups=[] if self._user else None,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )

    def standby(self, name: str) -> "Standby":
        """One that follows this server; not started."""
        made = Standby(self.directory.parent / name)
        made.directory.mkdir(mode=0o711)
        self.give(made.directory)
        url = self.database_url("postgres")
        command = f"{self._bin}/pg_basebackup -D {made.data} -d {url} --write-recovery-conf --checkpoint=fast --no-sync"
        done = self.run(command, self._env)
        assert done.returncode == 0, done.stderr
        return made

    @property
    def environment(self) -> dict[str, str]:
        """Of psql and the like."""
        path = f"{self._bin}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        return self._env | {"PATH": path, "PGHOST": "127.0.0.1", "PGPORT": str(self.port), "PGUSER": "notify"}


class Standby(InstalledPostgres):
    """Made by `Replicating.standby`."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._settings = UNSYNCED

    def promote(self) -> None:
        """Returns once it is the primary."""
        assert self.sql("SELECT pg_promote()", database="postgres") == "t"


def of_pid_file(data: Path) -> Process | None:
    """The server that runs on `data`."""
    try:
        return Process.of(int((data / "postmaster.pid").read_text().split()[0]))
    except FileNotFoundError:
        return None
