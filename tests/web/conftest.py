"""One service for all tests of the HTTP contract, on each stack in turn: tests keep apart by fresh recipients."""

import http.client
from collections.abc import Iterator

import pytest

from tests.support.failures import show_log
from tests.support.service import Service
from tests.support.services.processes import wait_until
from tests.support.stacks import EMBEDDED, KINDS, stack

ORIGIN = "https://app.example.org"
HEARTBEAT_S = 0.5


@pytest.fixture(scope="package")
def _plain(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from _running(EMBEDDED, request, tmp_path_factory)


@pytest.fixture(scope="package", params=KINDS)
def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    if request.param == EMBEDDED:
        yield request.getfixturevalue("_plain")
    else:
        yield from _running(request.param, request, tmp_path_factory)


def _running(kind: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with stack(kind, request) as options:
        env = {"HEARTBEAT_S": str(HEARTBEAT_S), "CORS_ORIGINS": f"{ORIGIN},http://localhost:3000"}
        running = Service(tmp_path_factory.mktemp("shared"), env=env, **options)
        running.start()
        yield running
        running.kill()


@pytest.fixture
def plain(request: pytest.FixtureRequest, _plain: Service) -> Iterator[Service]:
    """A running service that other tests use too, for what neither the store nor the broker has a part in."""
    yield from _for(request, _plain)


@pytest.fixture
def shared(request: pytest.FixtureRequest, _shared: Service) -> Iterator[Service]:
    """The same, on each stack. Take fresh recipients, and mind that everyone reads `topic:all`."""
    yield from _for(request, _shared)


def _for(request: pytest.FixtureRequest, running: Service) -> Iterator[Service]:
    """Whatever a test did, there are no more streams than sockets after it."""
    show_log(request, running.log)
    if not running.running:
        running.start()
    yield running
    if running.running:
        # A stream that Hypercorn carries hears of its end a moment after its socket.
        wait_until(lambda: _one_socket_each(_gauges(running)), within_s=30, what="no more streams than connections")


def _one_socket_each(gauges: dict[str, float]) -> bool:
    return gauges["notify_sse_streams"] <= gauges["notify_sse_connections"]


def _gauges(running: Service) -> dict[str, float]:
    """The metrics without labels, as of one moment."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    connection.close()
    return {name: float(value) for name, _, value in (line.partition(" ") for line in lines if line[0] not in "#{")}
