"""What every test can ask for: real servers (started only when a test asks), fresh names in them, the service as a
process, and `async def` tests.

An `async def` test runs on a uvloop loop of its own, with a deadline (twice 60 s, or `@pytest.mark.deadline(seconds)`),
and fails when it leaves a task behind or an exception that nobody saw. A plain `def` test has twice 300 s by default.
"""

import contextlib
import gc
import inspect
import shutil
import signal
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Unpack

import hypothesis
import pytest

from tests.support import asynchronous, given
from tests.support.failures import ends_of_logs, show_log
from tests.support.given import Retired
from tests.support.service import Service, ServiceFactory, ServiceOptions, Stack
from tests.support.services import (
    CannotStart,
    PostgresServer,
    RabbitServer,
    Server,
    browsers,
    ensure,
    nodejs,
    packages,
    private_directory,
    processes,
    start_postgres,
    start_rabbitmq,
)
from tests.support.services.browsers import Chromium
from tests.support.services.nodejs import Node
from tests.support.stacks import KINDS, stack

ASYNC_DEADLINE_S = 60.0
SYNC_DEADLINE_S = 300.0
NEEDS_OF_FIXTURES = {
    "broker_url": "rabbitmq",
    "caddy": "caddy",
    "chromium": "chromium",
    "curl": "curl",
    "database_url": "postgres",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "node": "node",
    "postgres_server": "postgres",
    "prometheus": "prometheus",
    "rabbitmq_server": "rabbitmq",
}


# How long it takes to draw an example says how busy the machine is, not how good the strategy.
hypothesis.settings.register_profile("any machine", suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("any machine")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "deadline(seconds): how long the test may take")

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, interrupt)  # so that a runner that is told to end still stops its servers
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs, and all they start, ignore it


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what the collected tests are seen to need, all at once; what shows only later is installed then."""
    if session.config.option.collectonly:
        return
    asked_for = {name for item in session.items for name in getattr(item, "fixturenames", ())}
    asked_for -= {name for name, url in given.URLS.items() if url}
    needed = {need for name, need in NEEDS_OF_FIXTURES.items() if name in asked_for}
    with contextlib.suppress(CannotStart):  # the tests that need it say so
        ensure(*sorted(needed))
    gc.freeze()  # each async test ends with a collection: a tenth of a second, if it went through all modules


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> object:
    """Run an `async def` test; None leaves any other to pytest."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}
    asynchronous.run(pyfuncitem.obj(**arguments), deadline_s=_deadline_s(pyfuncitem, ASYNC_DEADLINE_S))
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """Stop a test that blocks: any `def`, and an `async def` that keeps its loop from seeing its deadline."""
    grace_s = 10 if inspect.iscoroutinefunction(getattr(item, "obj", None)) else 0
    default_s = ASYNC_DEADLINE_S if grace_s else SYNC_DEADLINE_S
    with asynchronous.alarm(_deadline_s(item, default_s) + grace_s):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under a failure, show how the logs of the servers that it used end."""
    report = yield
    if report.failed:
        report.sections += ends_of_logs(item)
    return report


@pytest.fixture(scope="session")
def server_directory() -> Iterator[Path]:
    directory = private_directory()
    yield directory
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture(scope="session")
def _postgres(server_directory: Path) -> Iterator[PostgresServer]:
    server = start_postgres(server_directory)
    yield server
    server.discard()


@pytest.fixture(scope="session")
def _rabbitmq(server_directory: Path) -> Iterator[RabbitServer]:
    server = start_rabbitmq(server_directory)
    yield server
    server.discard()


@pytest.fixture
def postgres_server(request: pytest.FixtureRequest, _postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The private Postgres of this run. A test may kill, freeze or stop it: the next test finds it running."""
    show_log(request, _postgres.log)
    yield _postgres
    _revive(_postgres)


@pytest.fixture
def rabbitmq_server(request: pytest.FixtureRequest, _rabbitmq: RabbitServer) -> Iterator[RabbitServer]:
    """The private RabbitMQ of this run. A test may kill, freeze or stop it: the next test finds it running."""
    show_log(request, _rabbitmq.log)
    yield _rabbitmq
    _revive(_rabbitmq)


@pytest.fixture
def database_url(request: pytest.FixtureRequest, _started: list[Service]) -> Iterator[str]:
    """A fresh, empty Postgres database."""
    if given.DATABASE_URL:
        with given.fresh_database() as url:
            yield url
            _kill(_started)
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    url = server.create_database()
    yield url
    _kill(_started)
    _revive(server)
    server.drop_database(url)


@pytest.fixture
def broker_url(request: pytest.FixtureRequest) -> str:
    """A RabbitMQ. Other tests use it too: keep to names that start with `amqp_prefix`."""
    if given.BROKER_URL:
        return given.BROKER_URL
    server: RabbitServer = request.getfixturevalue("rabbitmq_server")
    return server.url


@pytest.fixture
def amqp_prefix(
    broker_url: str, request: pytest.FixtureRequest, retired: Retired, _started: list[Service]
) -> Iterator[str]:
    """A fresh NOTIFY_SSE_AMQP_PREFIX; the contract's queues and exchanges of that prefix are deleted afterwards."""
    prefix = f"test-{uuid.uuid4().hex[:12]}"
    yield prefix
    _kill(_started)  # or it would declare again what is deleted here
    if not given.BROKER_URL:
        _revive(request.getfixturevalue("rabbitmq_server"))
    retired.add(broker_url, prefix)


@pytest.fixture(scope="session")
def retired() -> Iterator[Retired]:
    """The AMQP prefixes that were used."""
    prefixes = Retired()
    yield prefixes
    if given.BROKER_URL:
        prefixes.finish()


@pytest.fixture
def sqlite_url(tmp_path: Path) -> str:
    """A SQLite database that does not exist yet."""
    return f"sqlite:///{tmp_path / 'notify-sse.db'}"


@pytest.fixture
def free_port() -> int:
    """A loopback port that nobody uses."""
    return processes.free_port()


@pytest.fixture(scope="session")
def chromium() -> Chromium:
    """An installed Chromium, for Playwright."""
    return browsers.chromium()


@pytest.fixture(scope="session")
def curl() -> str:
    """The path of an installed curl."""
    ensure("curl")
    return packages.executable("curl")


@pytest.fixture(scope="session")
def node() -> Node:
    """An installed Node, with the packages of tests/system/clients."""
    return nodejs.node()


@pytest.fixture
def _started() -> Iterator[list[Service]]:
    """The services that the test started; whoever takes away what they use kills them first."""
    started: list[Service] = []
    yield started
    _kill(started)


@pytest.fixture
def service(request: pytest.FixtureRequest, tmp_path: Path, _started: list[Service]) -> ServiceFactory:
    """Starts `notify-sse serve` as a process: `running = service(broker_url=…, database_url=…)`.

    Ready when it returns, unless `wait_ready=False`; each that was started is killed at the end. For the other
    arguments see `Service`.
    """

    def start(*, wait_ready: bool = True, **options: Unpack[ServiceOptions]) -> Service:
        running = Service(tmp_path / f"service-{len(_started)}", **options)
        _started.append(running)
        show_log(request, running.log)
        running.start(wait_ready=wait_ready)
        return running

    return start


@pytest.fixture(params=KINDS)
def on_stack(request: pytest.FixtureRequest, _started: list[Service]) -> Iterator[Stack]:
    """Runs the test on each stack: options for `service`, `service(**on_stack)`."""
    with stack(request.param, request) as options:
        yield options
        _kill(_started)


def _revive(server: Server) -> None:
    if server.running:
        server.thaw()
    else:
        server.start()


def _kill(started: list[Service]) -> None:
    for running in started:
        running.kill()


def _deadline_s(item: pytest.Item, default_s: float) -> float:
    """That of the test, twice: the machine may be half as fast as the one on which it was set."""
    marker = item.get_closest_marker("deadline")
    return 2 * (float(marker.args[0]) if marker else default_s)
