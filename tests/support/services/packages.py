"""What the tests need from the operating system, and how it gets there.

Nothing is installed that is there already. On Debian, root gets what is missing from apt; nobody else's machine is
touched, and a person is told in one line what to install.
"""

import ctypes
import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.support.services import postgres, rabbitmq
from tests.support.services.processes import CannotStart

POLICY = Path("/usr/sbin/policy-rc.d")
FIREFOX_NAMES = ("firefox-esr", "firefox")
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


class Need(NamedTuple):
    """Something from the operating system: how to see whether it is there, and Debian's packages of it."""

    name: str
    there: Callable[[], object]
    packages: tuple[str, ...]


def _any_on_path(*names: str) -> Callable[[], object]:
    return lambda: any(map(shutil.which, names))


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


NEEDS = {
    need.name: need
    for need in (
        Need("rabbitmq", rabbitmq.scripts, ("rabbitmq-server",)),
        Need("postgres", postgres.binaries, ("postgresql",)),
        Need(  # driven by Playwright, whose own Node wants libatomic
            "chromium",
            lambda: any(map(shutil.which, CHROMIUM_NAMES)) and _loads("libatomic.so.1"),
            ("chromium", "libatomic1"),
        ),
        Need("firefox", _any_on_path(*FIREFOX_NAMES), ("firefox-esr",)),
        Need("node", lambda: shutil.which("node") and shutil.which("npm"), ("nodejs", "npm")),
        Need("curl", _any_on_path("curl"), ("curl",)),
        Need("iptables", _any_on_path("iptables"), ("iptables",)),
        Need("nginx", _any_on_path("nginx"), ("nginx",)),
        Need("caddy", _any_on_path("caddy"), ("caddy",)),
        Need("haproxy", _any_on_path("haproxy"), ("haproxy",)),
        Need("pgbouncer", _any_on_path("pgbouncer", "/usr/sbin/pgbouncer"), ("pgbouncer",)),
        Need("prometheus", _any_on_path("promtool"), ("prometheus",)),
        Need("sqlite3", _any_on_path("sqlite3"), ("sqlite3",)),
    )
}


def ensure(*names: str) -> None:
    """Have every one of `names` (keys of `NEEDS`) installed; CannotStart, in one line, when that cannot be."""
    missing = _missing(names)
    if not missing:
        return
    packages = [package for need in missing for package in need.packages]
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        what = " and ".join(need.name for need in missing)
        raise CannotStart(f"{what} not found; on Debian: sudo apt-get install {' '.join(packages)}")
    with _one_at_a_time(), _no_service_started():
        if _missing(names):
            _apt("update", "-q")
            _apt("install", "-q", "-y", "--no-install-recommends", *packages)
    if still := _missing(names):
        raise CannotStart(f"installed {' '.join(packages)}, but {still[0].name} is still not found")


def executable(*names: str) -> str:
    """The first of `names` on PATH."""
    for name in names:
        if found := shutil.which(name):
            return found
    raise CannotStart(f"{names[0]} not found on PATH")


def _missing(names: tuple[str, ...]) -> list[Need]:
    return [NEEDS[name] for name in names if not NEEDS[name].there()]


def _apt(*args: str) -> None:
    command = ["apt-get", "-o", "DPkg::Lock::Timeout=300", *args]
    env = os.environ | {"DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise CannotStart(f"{' '.join(command)} failed: {said[-1] if said else 'no output'}")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "notify-sse-apt.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@contextmanager
def _no_service_started() -> Iterator[None]:
    """Debian's packages start a system-wide server when they are installed, unless policy-rc.d forbids it."""
    if POLICY.exists():
        yield
        return
    POLICY.write_text("#!/bin/sh\nexit 101\n")
    POLICY.chmod(0o755)
    try:
        yield
    finally:
        POLICY.unlink()
