"""Private RabbitMQ and Postgres servers, for tests and for development, and what else tests need installed.

Standard library only, so that it runs before the virtual environment is there. `python -m tests.support.services`
is the command line of it.
"""

import tempfile
from pathlib import Path

from tests.support.services import compose
from tests.support.services.compose import ComposePostgres, ComposeRabbit
from tests.support.services.packages import ensure
from tests.support.services.postgres import InstalledPostgres, PostgresServer
from tests.support.services.processes import CannotStart, Process, free_port, wait_until
from tests.support.services.rabbitmq import InstalledRabbit, RabbitServer
from tests.support.services.server import Server

__all__ = [
    "CannotStart",
    "InstalledPostgres",
    "InstalledRabbit",
    "PostgresServer",
    "Process",
    "RabbitServer",
    "Server",
    "ensure",
    "free_port",
    "private_directory",
    "start_postgres",
    "start_rabbitmq",
    "wait_until",
]


def private_directory() -> Path:
    """A new temporary folder that a server run as another user may enter, but not list."""
    directory = Path(tempfile.mkdtemp(prefix="notify-sse-"))
    directory.chmod(0o711)
    return directory


def start_postgres(directory: Path) -> PostgresServer:
    """A running Postgres with its data below `directory`."""
    server = InstalledPostgres(directory / "postgres") if _installed("postgres") else ComposePostgres(directory)
    _start(server)
    return server


def start_rabbitmq(directory: Path) -> RabbitServer:
    """A running RabbitMQ with its data below `directory`."""
    server = InstalledRabbit(directory / "rabbitmq") if _installed("rabbitmq") else ComposeRabbit(directory)
    _start(server)
    return server


def _installed(name: str) -> bool:
    """Whether it is installed, or could be; False when Docker has to do."""
    try:
        ensure(name)
    except CannotStart:
        if compose.usable():
            return False
        raise
    return True


def _start(server: Server) -> None:
    """Start it; when that fails, or is interrupted, leave nothing running."""
    try:
        server.start()
    except BaseException:
        server.discard()
        raise
