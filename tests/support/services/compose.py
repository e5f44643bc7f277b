"""RabbitMQ and Postgres from compose.yaml, for a machine that has Docker and not the servers themselves.

A `RabbitServer` and a `PostgresServer`, run by `docker compose` in a project of its own.
"""

import os
import shutil
import signal
import subprocess
import uuid
from pathlib import Path

from tests.support.services.postgres import DATABASE, PostgresServer
from tests.support.services.processes import CannotStart, Process, free_port, spawn, wait_until
from tests.support.services.rabbitmq import RabbitServer
from tests.support.services.server import Server

COMPOSE_FILE = Path(__file__).parents[3] / "compose.yaml"


def usable() -> bool:
    """Whether `docker compose` is there, with an engine behind it."""
    docker = shutil.which("docker")
    return docker is not None and all(
        subprocess.run([docker, *args], stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0
        for args in (("compose", "version"), ("info",))
    )


class ComposeServer(Server):
    """One service of compose.yaml, on free loopback ports."""

    END = signal.SIGTERM

    def __init__(self, service: str, directory: Path, *, ports: tuple[str, ...]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.log = directory / f"{service}.log"
        self._ports = {name: free_port() for name in ports}
        self.port = self._ports[ports[0]]
        self._service = service
        self._project = f"notify-sse-test-{uuid.uuid4().hex[:8]}"
        self._following: Process | None = None

    def start(self) -> None:
        """Start it; returns once it is healthy."""
        self._compose("up", "--detach", "--wait", self._service)
        command = [*self._command(), "logs", "--follow", "--no-log-prefix", "--since", "1s", self._service]
        self._following = spawn(command, log=self.log, env=self._env(), cwd=self.directory)

    def stop(self) -> None:
        self._compose("stop", self._service)

    def discard(self) -> None:
        """End it, and remove its data."""
        self._compose("down", "--volumes", "--timeout", "5")
        if self._following:
            self._following.kill()

    def discard_command(self) -> list[str]:
        """The command that does what `discard` does, for another process."""
        return [*self._command(), "down", "--volumes", "--timeout", "5"]

    def freeze(self) -> None:
        self._compose("pause", self._service)

    def thaw(self) -> None:
        """Unpause it; one that is not paused is left alone."""
        if self._paused():
            self._compose("unpause", self._service)

    @property
    def processes(self) -> list[Process]:
        return [self._following] if self._following else []

    @property
    def running(self) -> bool:
        return bool(self._compose("ps", "--quiet", "--status", "running", "--status", "paused", self._service))

    def _paused(self) -> bool:
        return bool(self._compose("ps", "--quiet", "--status", "paused", self._service))

    def _sigkill(self) -> None:
        self._compose("kill", "--signal", "SIGKILL", self._service)
        wait_until(lambda: not self.running, within_s=30, what="SIGKILL")

    def _exec(self, *command: str) -> str:
        return self._compose("exec", "-T", self._service, *command)

    def _command(self) -> list[str]:
        return ["docker", "compose", "--file", str(COMPOSE_FILE), "--project-name", self._project]

    def _compose(self, *args: str) -> str:
        done = subprocess.run(
            [*self._command(), *args],
            env=self._env(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise CannotStart(f"docker compose {' '.join(args)}: {done.stderr.strip()}")
        return done.stdout.strip()

    def _env(self) -> dict[str, str]:
        return os.environ | {name: str(port) for name, port in self._ports.items()}


class ComposePostgres(ComposeServer, PostgresServer):
    """A `PostgresServer` in a container."""

    def __init__(self, directory: Path) -> None:
        super().__init__("db", directory, ports=("DB_PORT",))

    def kill(self) -> None:
        self._sigkill()

    def database_url(self, name: str) -> str:
        return f"postgresql://notify:{os.environ.get('DB_PASSWORD', 'notify')}@127.0.0.1:{self.port}/{name}"

    def sql(self, statement: str, *, database: str = DATABASE) -> str:
        return self._exec("psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-U", "notify", "-d", database, "-c", statement)


class ComposeRabbit(ComposeServer, RabbitServer):
    """A `RabbitServer` in a container."""

    def __init__(self, directory: Path) -> None:
        super().__init__("broker", directory, ports=("BROKER_PORT", "BROKER_UI_PORT"))

    @property
    def url(self) -> str:
        return f"amqp://notify:{os.environ.get('BROKER_PASSWORD', 'notify')}@127.0.0.1:{self.port}/"

    def kill(self, *, at_once: bool = False) -> None:
        if self.running and not self._paused() and not at_once:
            self.write_names()
        self._sigkill()

    def ctl(self, *args: str) -> str:
        return self._exec("rabbitmqctl", "-q", *args)
