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
LOSES = "not where nothing may be lost"
COPY_LIBRARIES = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


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
        "reconnecting-eventsource, `onmessage` alone": f"{LOSES}: its new object has no cursor",
        "eventsource-client": "`headers`; give it a `fetch` that throws on 401",
        "launchdarkly-eventsource": "`headers`; a read timeout over twice `heartbeat_s`",
        "@microsoft/fetch-event-source": "`onclose` throws; `if (!event.data) return`",
        "@microsoft/fetch-event-source, its first example": "not like this: a clean end is the end",
        "event-source-plus": "`headers`; limit its requests yourself",
        "sse.js": "`headers`; `autoReconnect: true`",
        "@vueuse/core": f"`useEventSource` with `autoReconnect`; {LOSES}: its new object has no cursor",
    }
    if not any(wanted in f"npm {name}" for name in set_up):
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
    if not any(wanted in f"Python {name}" for name in set_up):
        return []
    packages, required = BUILT / "python", HERE / "requirements.txt"
    stamp = packages / required.name
    if not stamp.exists() or stamp.read_bytes() != required.read_bytes():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--upgrade"]
        _run([*pip, "--target", packages, "--requirement", required])
        shutil.copy(required, stamp)
    return [Row(f"Python {name}", [sys.executable, HERE / "listen.py", name], words) for name, words in set_up.items()]


JAVA, JAVA_LIBRARIES = BUILT / "java", BUILT / "java-libraries"


def _java(wanted: str) -> list[Row]:
    set_up = {
        "HttpClient": ("Listen", f"{OWN_LOOP}; `HTTP_1_1`"),
        "okhttp-eventsource": (
            "ListenOkHttp",
            "an `ErrorStrategy` that goes on, but at 401; `readTimeout` over twice `heartbeat_s`",
        ),
    }
    if not any(wanted in f"Java {name}" for name in set_up) or not _java_is_built():
        return []
    return [Row(f"Java {name}", _java_command(main), words) for name, (main, words) in set_up.items()]


def _java_command(main: str) -> list[str | Path]:
    return ["java", "-cp", f"{JAVA}:{JAVA_LIBRARIES}/*", main]


def _java_is_built() -> bool:
    """Whether there are a JDK and Maven; then what is below java/ is compiled, with its libraries beside it."""
    if not shutil.which("javac") or not shutil.which("mvn"):
        return False
    project, stamp = HERE / "java/pom.xml", JAVA_LIBRARIES / "pom.xml"
    if not stamp.exists() or stamp.read_bytes() != project.read_bytes():
        target = f"-DoutputDirectory={JAVA_LIBRARIES}"
        _run(["mvn", "-q", "-B", "-f", project, COPY_LIBRARIES, target])
        shutil.copy(project, stamp)
    _run(["javac", "-cp", f"{JAVA_LIBRARIES}/*", "-d", JAVA, *sorted((HERE / "java").glob("*.java"))])
    return True


def _go(wanted: str) -> list[Row]:
    set_up = {
        "net/http": OWN_LOOP,
        "r3labs/sse": f"{OWN_LOOP}: a clean end ends it; a `ReconnectStrategy` that does not end after 15 minutes",
        "tmaxmax/go-sse": f"{OWN_LOOP}: any status but 200 ends it",
        "donovanhide/eventsource": "headers by `SubscribeWithRequest`; read `Errors`, or it stands still",
        "launchdarkly/eventsource": "an error handler that closes at 401; a read timeout over twice `heartbeat_s`",
    }
    if not any(wanted in f"Go {name}" for name in set_up) or not _go_is_built():
        return []
    return [Row(f"Go {name}", [BUILT / "go/listen", name], words) for name, words in set_up.items()]


def _go_is_built() -> bool:
    """Whether there is a Go; then what is below go/ is built."""
    if not shutil.which("go"):
        return False
    (BUILT / "go").mkdir(parents=True, exist_ok=True)
    _run(["go", "build", "-o", f"{BUILT / 'go'}/", "./..."], cwd=HERE / "go")
    return True


def publishers(wanted: str) -> list[Row]:
    """As `rows`, of those who publish to RabbitMQ."""
    found: list[Row] = []
    java, go = "Java Spring RabbitTemplate", "Go amqp091-go"
    if wanted in java and _java_is_built():
        set_up = "confirms (`ConfirmType.SIMPLE`); a string goes out as `text/plain`; connects again by itself"
        found.append(Row(java, _java_command("PublishSpring"), set_up))
    if wanted in go and _go_is_built():
        found.append(Row(go, [BUILT / "go/publish"], "confirms; no content type; connecting again is yours"))
    return found


def _run(command: Sequence[str | Path], *, cwd: Path | None = None) -> None:
    BUILT.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TOOLCHAIN_S, check=False)
    if done.returncode:
        raise CannotStart(f"{command[0]} failed: {done.stderr or done.stdout}")
