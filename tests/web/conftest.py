"""One service for all tests of the HTTP contract, on each stack in turn: tests keep apart by fresh recipients."""

from collections.abc import Iterator

import pytest

from tests.support.failures import show_log
from tests.support.service import Service
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
def plain(request: pytest.FixtureRequest, _plain: Service) -> Service:
    """A running service that other tests use too, for what neither the store nor the broker has a part in."""
    return _for(request, _plain)


@pytest.fixture
def shared(request: pytest.FixtureRequest, _shared: Service) -> Service:
    """The same, on each stack. Take fresh recipients, and mind that everyone reads `topic:all`."""
    return _for(request, _shared)


def _for(request: pytest.FixtureRequest, running: Service) -> Service:
    show_log(request, running.log)
    if not running.running:
        running.start()
    return running
