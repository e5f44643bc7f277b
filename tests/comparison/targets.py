"""What `make bench` measures, each started afresh for every scenario."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from notify_sse.bench.bare import bare_server
from notify_sse.bench.publishers.publisher_process import PublishAddress
from notify_sse.bench.target import Launch, Target, free_port, process, started_service
from notify_sse.server.files import raise_file_limit
from tests.support.services import (
    InstalledPostgres,
    InstalledRabbit,
    PostgresServer,
    RabbitServer,
    private_directory,
    start_postgres,
    start_rabbitmq,
)

EMBEDDED = "embedded"
STACK = "rabbitmq-postgres"
BASELINE = "baseline"
NCHAN = "nchan"
PUSHPIN = "pushpin"
BARE = "bare"
PACKAGES = {NCHAN: "nginx libnginx-mod-nchan", PUSHPIN: "pushpin zurl"}
SPARE_FILES = 500
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


@contextmanager
def private_servers() -> Iterator[tuple[RabbitServer, PostgresServer, dict[str, list[int]]]]:
    """A RabbitMQ and a Postgres of our own, and the pids that each begins with."""
    directory = private_directory()
    broker = start_rabbitmq(directory)
    try:
        database = start_postgres(directory)
        try:
            yield broker, database, pids_of(broker, database)
        finally:
            database.stop()
    finally:
        broker.stop()
        shutil.rmtree(directory, ignore_errors=True)


def pids_of(broker: RabbitServer, database: PostgresServer) -> dict[str, list[int]]:
    """What their cost is measured by; those of a container do not show."""
    assert isinstance(broker, InstalledRabbit)
    assert isinstance(database, InstalledPostgres)
    assert broker.process
    assert database.process
    return {"broker": [broker.process.pid], "database": [database.process.pid]}


def launches(broker: RabbitServer, database: PostgresServer, pids: dict[str, list[int]]) -> dict[str, Launch]:
    """By name, in the order of the columns; nchan and Pushpin only where they are installed."""
    stack = started_service(STACK, broker_url=broker.url, database_url=database.create_database(), pids=pids)
    found = {
        STACK: stack,
        EMBEDDED: started_service(EMBEDDED),
        BASELINE: _baseline(broker.url, database.create_database(), pids),
        NCHAN: _nchan(),
        PUSHPIN: _pushpin(),
        BARE: bare_server(),
    }
    return {name: launch for name, launch in found.items() if installed(name)}


def installed(name: str) -> bool:
    """Whether what that target needs is there: `PACKAGES` of Debian."""
    if name == NCHAN:
        return NCHAN_MODULE.exists() and shutil.which("nginx") is not None
    return name != PUSHPIN or None not in (shutil.which("pushpin"), shutil.which("zurl"))


def _baseline(broker_url: str, database_url: str, pids: dict[str, list[int]]) -> Launch:
    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        port, secret, exchange = free_port(), secrets.token_hex(32), f"baseline-{secrets.token_hex(4)}"
        url = f"http://127.0.0.1:{port}"
        environ = {
            "BASELINE_BROKER_URL": broker_url,
            "BASELINE_DATABASE_URL": database_url,
            "BASELINE_EXCHANGE": exchange,
            "BASELINE_JWT_SECRET": secret,
            "BASELINE_PORT": str(port),
        }
        command = [sys.executable, "-m", "tests.comparison.baseline"]
        async with process(command, environ, ready_url=f"{url}/readyz") as pid:
            publish_to = PublishAddress("amqp", url=broker_url, exchange=exchange)
            yield Target(BASELINE, url, publish_to, secret=secret, pids=pids | {"server": [pid]}, metrics=False)

    return launch


def _nchan() -> Launch:
    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        port, files = free_port(), raise_file_limit()
        url = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryDirectory(prefix="notify-sse-nchan-") as directory:
            config = _nginx_config(Path(directory), port=port, files=files)
            async with process(["nginx", "-c", str(config)], {}, ready_url=f"{url}/readyz") as pid:
                publish_to = PublishAddress(
                    "http", host="127.0.0.1", port=port, path="/notifications?to={recipient}", batch=1
                )
                path = "/notifications/stream?recipient="
                yield Target(
                    NCHAN,
                    url,
                    publish_to,
                    path=f"{path}{{recipient}}",
                    topic_path=f"{path}all",
                    pids={"server": [pid]},
                    metrics=False,
                )

    return launch


def _nginx_config(directory: Path, *, port: int, files: int) -> Path:
    directory.chmod(0o755)  # nginx's workers are not root
    template = (Path(__file__).parent / "nchan" / "nginx.conf").read_text()
    config = directory / "nginx.conf"
    config.write_text(
        template.format(
            directory=directory, files=files, connections=files - SPARE_FILES, port=port, workers=os.cpu_count()
        )
    )
    return config


def _pushpin() -> Launch:
    @asynccontextmanager
    async def launch() -> AsyncIterator[Target]:
        files, (port, origin, push, http_push) = raise_file_limit(), (free_port() for _ in range(4))
        url = f"http://127.0.0.1:{port}"
        with tempfile.TemporaryDirectory(prefix="notify-sse-pushpin-") as name:
            directory = Path(name)
            for folder in ("run", "log"):
                (directory / folder).mkdir()
            for config in ("pushpin.conf", "zurl.conf"):
                template = (Path(__file__).parent / "pushpin" / config).read_text()
                filled = template.format(
                    directory=directory,
                    connections=files - SPARE_FILES,
                    port=port,
                    push_port=push,
                    http_push_port=http_push,
                )
                (directory / config).write_text(filled)
            (directory / "routes").write_text(f"* 127.0.0.1:{origin}\n")
            asks = [sys.executable, "-m", "tests.comparison.pushpin", str(origin), str(push)]
            async with (
                process(["zurl", f"--config={directory}/zurl.conf", "--loglevel=0"], {}) as zurl,
                process(["pushpin", f"--config={directory}/pushpin.conf"], {}) as pushpin,
                process(asks, {}, ready_url=f"{url}/readyz") as answers,
            ):
                publish_to = PublishAddress("http", host="127.0.0.1", port=origin, path="/?to={recipient}", batch=1)
                path = "/notifications/stream?to="
                yield Target(
                    PUSHPIN,
                    url,
                    publish_to,
                    path=f"{path}{{recipient}}",
                    topic_path=f"{path}all",
                    pids={"server": [zurl, pushpin, answers]},
                    metrics=False,
                )

    return launch
