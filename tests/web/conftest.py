"""One service for all tests of the HTTP contract, on each stack in turn: tests keep apart by fresh recipients."""

from collections.abc import Iterator

import pytest

from tests.conftest import show_log
from tests.service import Service
from tests.stacks import KINDS, stack

ORIGIN = "https://app.example.org"
HEARTBEAT_S = 0.5


@pytest.fixture(scope="package", params=KINDS)
def _shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with stack(request.param, request) as options:
        env = {"HEARTBEAT_S": str(HEARTBEAT_S), "CORS_ORIGINS": f"{ORIGIN},http://localhost:3000"}
        running = Service(tmp_path_factory.mktemp("shared"), env=env, **options)
        running.start()
        yield running
        running.kill()


@pytest.fixture
def shared(request: pytest.FixtureRequest, _shared: Service) -> Service:
    """A running service that other tests use too. Take fresh recipients, and publish nothing to everyone."""
    show_log(request, _shared.log)
    if not _shared.running:
        _shared.start()
    return _shared
