"""How many files a process may open: raised where that is allowed, and no reason not to start where it is not."""

import ctypes
import resource
import signal
from typing import Any

import pytest

from notify_sse.errors import BadConfiguration
from notify_sse.server import supervisor
from notify_sse.server.files import MACOS_MOST, UNLIMITED, raise_file_limit


def limits(monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, *, allows: int) -> None:
    """A system with these limits, which refuses to set more than `allows`, as it likes to: ValueError or OSError."""
    now = [soft, hard]

    def setrlimit(_: int, wanted: tuple[int, int]) -> None:
        if wanted[0] == resource.RLIM_INFINITY or wanted[0] > allows:
            raise ValueError("current limit exceeds maximum limit") if hard > 0 else OSError(22, "Invalid argument")
        now[:] = wanted

    def getrlimit(_: int) -> Any:
        return tuple(now)

    monkeypatch.setattr(resource, "setrlimit", setrlimit)
    monkeypatch.setattr(resource, "getrlimit", getrlimit)


@pytest.mark.parametrize(
    ("soft", "hard", "allows", "then"),
    [
        (1024, 20_000, 20_000, 20_000),
        (20_000, 20_000, 0, 20_000),
        (256, resource.RLIM_INFINITY, MACOS_MOST, MACOS_MOST),
        (256, resource.RLIM_INFINITY, 0, 256),
        (256, 4096, 0, 256),
        (resource.RLIM_INFINITY, resource.RLIM_INFINITY, 0, UNLIMITED),
    ],
)
def test_the_limit_is_raised_as_far_as_the_system_lets_us(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, allows: int, then: int
) -> None:
    """macOS offers files without end, and refuses to give them; a container may refuse anything."""
    limits(monkeypatch, soft, hard, allows=allows)
    assert raise_file_limit() == then


@pytest.mark.parametrize("library", [object(), None], ids=["another system", "no library"])
def test_a_worker_starts_where_nothing_tells_it_of_its_supervisors_end(
    monkeypatch: pytest.MonkeyPatch, library: object
) -> None:
    """Only Linux does; elsewhere a nicety is missing, and not the service."""

    def load(*_: object, **__: object) -> object:
        if library is None:
            raise OSError("no such library")
        return library

    monkeypatch.setattr(ctypes, "CDLL", load)
    supervisor._die_with_parent()


def test_several_workers_are_refused_by_name_where_they_cannot_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(signal, "sigtimedwait")
    with pytest.raises(BadConfiguration, match="NOTIFY_SSE_WORKERS: more than one needs"):
        supervisor._check_system()
