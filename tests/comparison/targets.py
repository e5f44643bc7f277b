"""What `make bench` measures, each started afresh for every scenario."""

import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from notify_sse.bench.bare import bare_server
from notify_sse.bench.publishers.publisher_process import PublishAddress
from notify_sse.bench.target import Launch, Target, free_port, process, started_service
from notify_sse.server.files import raise_file_limit
from tests.support.services import InstalledPostgres, InstalledRabbit, PostgresServer, RabbitServer

EMBEDDED = "embedded"
STACK = "rabbitmq-postgres"
BASELINE = "baseline"
NCHAN = "nchan"
BARE = "bare"
SPARE_FILES = 500
NCHAN_MODULE = Path("/usr/lib/nginx/modules/ngx_nchan_module.so")


def launches(broker: RabbitServer, database: PostgresServer) -> dict[str, Launch]:
    """By name, in the order of the columns. nchan only where it is installed."""
    # What they cost is measured by their pids, which those of a container do not show.
    assert isinstance(broker, InstalledRabbit)
    assert isinstance(database, InstalledPostgres)
    assert broker.process
    assert database.process
    pids = {"broker": [broker.process.pid], "database": [database.process.pid]}
    stack = started_service(STACK, broker_url=broker.url, database_url=database.create_database(), pids=pids)
    found = {
        STACK: stack,
        EMBEDDED: started_service(EMBEDDED),
        BASELINE: _baseline(broker.url, database.create_database(), pids),
        NCHAN: _nchan(),
        BARE: bare_server(),
    }
    return {name: launch for name, launch in found.items() if name != NCHAN or nchan_installed()}


def nchan_installed() -> bool:
    """Whether nginx and its nchan module are there."""
    return NCHAN_MODULE.exists() and shutil.which("nginx") is not None


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
