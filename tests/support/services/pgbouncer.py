"""A PgBouncer before a Postgres, on a free loopback port. It refuses to run as root, as Postgres does."""

import os
import signal
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.services.packages import executable
from tests.support.services.postgres import unprivileged
from tests.support.services.processes import Process, accepts, free_port, spawn, wait_ready

CONNECTIONS = 3
"""To the server: fewer than the service uses, so that they are shared."""


class PgBouncer:
    """Pools connections to the server of `url`. `mode`: session or transaction; `options` are lines of pgbouncer.ini.
    Another user must be able to read `directory`.
    """

    def __init__(self, directory: Path, url: str, *, mode: str, options: str = "") -> None:
        self.port = free_port()
        self.directory = directory
        self.log = directory / "pgbouncer.log"
        self._server = urlsplit(url)
        self._mode = mode
        self._options = options
        self._process: Process | None = None

    @property
    def url(self) -> str:
        """As `url`, through the pooler."""
        netloc = f"{self._server.username}:{self._server.password}@127.0.0.1:{self.port}"
        return self._server._replace(netloc=netloc).geturl()

    def start(self) -> None:
        """Start it; returns once it accepts connections."""
        users, ini = self.directory / "users.txt", self.directory / "pgbouncer.ini"
        users.write_text(f'"{self._server.username}" "{self._server.password}"\n')
        ini.write_text(self._ini(users))
        user = unprivileged() if os.geteuid() == 0 else None
        program = executable("pgbouncer", "/usr/sbin/pgbouncer")
        self._process = spawn(
            [program, ini], log=self.log, env={"PATH": os.environ["PATH"]}, cwd=self.directory, user=user
        )
        wait_ready(self._process, lambda: accepts(self.port), within_s=20, log=self.log)

    def stop(self) -> None:
        if self._process:
            self._process.end(signal.SIGTERM, within_s=30)

    def _ini(self, users: Path) -> str:
        return f"""
[databases]
* = host={self._server.hostname} port={self._server.port}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {self.port}
unix_socket_dir =
auth_type = plain
auth_file = {users}
pool_mode = {self._mode}
default_pool_size = {30 if self._mode == "session" else CONNECTIONS}
server_round_robin = 1
max_client_conn = 200
{self._options}
"""
