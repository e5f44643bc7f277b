"""The clients, and how each is built and started."""

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from tests.support.services import CannotStart, nodejs
from tests.support.services.packages import executable

HERE = Path(__file__).parent
BUILT = HERE.parents[1] / "build" / "clients"
TOOLCHAIN_S = 300
OWN_LOOP = "the loop is yours"


class Row(NamedTuple):
    """A client: what the table calls it, the command that runs it, and what its user has to set up."""

    name: str
    command: Sequence[str | Path]
    set_up: str


def rows(wanted: str) -> list[Row]:
    """Those whose name contains `wanted` and whose toolchain is there; their packages are installed."""
    found = [row for make in (_node, _python, _java, _go) for row in make(wanted)]
    return [row for row in found if wanted in row.name]


def _node(wanted: str) -> list[Row]:
    set_up = {
        "eventsource": "a `fetch` that brings the token",
        "event-source-polyfill": "`headers`",
        "extended-eventsource": "`headers`; pass over empty data",
        "reconnecting-eventsource": 'the token in the query; always `addEventListener("message")`',
        "eventsource-client": "`headers`; give it a `fetch` that throws on 401",
        "launchdarkly-eventsource": "`headers`; a read timeout over twice `heartbeat_s`",
        "@microsoft/fetch-event-source": "`onclose` throws; `if (!event.data) return`",
        "event-source-plus": "`headers`; limit its requests yourself",
    }
    if not any(wanted in name for name in set_up):
        return []
    nodejs.install(HERE / "node")
    node = executable("node")
    return [Row(f"npm {name}", [node, HERE / "node/listen.mjs", name], words) for name, words in set_up.items()]


def _python(wanted: str) -> list[Row]:
    set_up = {
        "httpx-sse": f"{OWN_LOOP}; `Timeout(10, read=45)`",
        "sseclient-py": f"{OWN_LOOP}, over requests",
        "requests-sse": f"{OWN_LOOP}; `max_connect_retry=0`",
        "aiohttp-sse-client": f"{OWN_LOOP}; `ClientTimeout(total=None, sock_read=45)`",
    }
    if not any(wanted in name for name in set_up):
        return []
    packages, required = BUILT / "python", HERE / "requirements.txt"
    stamp = packages / required.name
    if not stamp.exists() or stamp.read_bytes() != required.read_bytes():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        _run([*pip, "--target", packages, "--requirement", required])
        shutil.copy(required, stamp)
    return [Row(f"Python {name}", [sys.executable, HERE / "listen.py", name], words) for name, words in set_up.items()]


def _java(wanted: str) -> list[Row]:
    name = "Java HttpClient"
    if wanted not in name or not shutil.which("javac"):
        return []
    _run(["javac", "-d", BUILT / "java", HERE / "Listen.java"])
    return [Row(name, ["java", "-cp", BUILT / "java", "Listen"], f"{OWN_LOOP}; `HTTP_1_1`")]


def _go(wanted: str) -> list[Row]:
    name = "Go net/http"
    if wanted not in name or not shutil.which("go"):
        return []
    _run(["go", "build", "-o", BUILT / "listen-go", HERE / "listen.go"])
    return [Row(name, [BUILT / "listen-go"], OWN_LOOP)]


def _run(command: Sequence[str | Path]) -> None:
    BUILT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, capture_output=True, text=True, timeout=TOOLCHAIN_S, check=False)
    if done.returncode:
        raise CannotStart(f"{command[0]} failed: {done.stderr or done.stdout}")
