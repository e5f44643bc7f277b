"""`notify-sse serve` as a real process: started, killed, restarted; its address, its log, tokens that it takes.

Its methods block; in an `async def` test call them through `asyncio.to_thread`.
"""

import http.client
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypedDict, Unpack

from jose import jwt

from tests.support import databases
from tests.support.services import CannotStart, Process, free_port
from tests.support.services.processes import spawn, wait_ready, wait_until
from tests.support.tokens import SECRET

PROGRAM = ("notify_sse",)


class Stack(TypedDict, total=False):
    """What a `Service` stands on; the embedded default when empty."""

    broker_url: str
    database_url: str
    amqp_prefix: str


class ServiceOptions(Stack, total=False):
    """What a `Service` is started with; see there."""

    role: str
    workers: int
    port: int
    env: Mapping[str, str]
    variables: Mapping[str, str]
    args: Sequence[str]


class ServiceFactory(Protocol):
    """The `service` fixture."""

    def __call__(self, *, wait_ready: bool = True, **options: Unpack[ServiceOptions]) -> "Service": ...


class Service:
    """One `notify-sse serve`, on the embedded default unless URLs are given. That has its schema at the first start.

    `env` holds further settings, without the prefix: `{"HEARTBEAT_S": "1"}`; `variables` others, such as `OTEL_…`.
    `args` are further arguments. Nothing of the caller's own NOTIFY_SSE_ and OTEL_ environment reaches it.
    """

    def __init__(
        self,
        directory: Path,
        *,
        broker_url: str = "memory://",
        database_url: str | None = None,
        amqp_prefix: str | None = None,
        role: str = "all",
        workers: int = 1,
        port: int | None = None,
        env: Mapping[str, str] | None = None,
        variables: Mapping[str, str] | None = None,
        args: Sequence[str] = (),
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.port = port or free_port()
        self.log = directory / "notify-sse.log"
        self.program: Sequence[str] = PROGRAM
        """The module to run, and what it is given before `serve`."""
        self.process: Process | None = None
        self._args = ["--role", role, "--workers", str(workers), *args]
        self._readers = 0 if role == "ingest" else workers
        self._log_before = 0
        self._to_set_up = None if database_url else directory / "notify-sse.db"
        settings = {
            "BROKER_URL": broker_url,
            "DATABASE_URL": database_url or f"sqlite:///{directory / 'notify-sse.db'}",
            "JWT_SECRET": SECRET,
        }
        if amqp_prefix:
            settings["AMQP_PREFIX"] = amqp_prefix
        self.env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_SSE_", "OTEL_"))}
        self.env |= variables or {}
        self.env |= {f"NOTIFY_SSE_{name}": value for name, value in (settings | dict(env or {})).items()}

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.alive

    def start(self, *, wait_ready: bool = True) -> None:
        """Start it; returns once it is ready, unless told not to wait."""
        if self._to_set_up and self.program == PROGRAM and not self._to_set_up.exists():
            databases.set_up(self._to_set_up)
        self._to_set_up = None
        self._log_before = self.log.stat().st_size if self.log.exists() else 0
        command = [sys.executable, "-m", *self.program, "serve", "--host", "127.0.0.1", "--port", str(self.port)]
        self.process = spawn([*command, *self._args], log=self.log, env=self.env, cwd=Path.cwd())
        if wait_ready:
            self.wait_ready()

    def wait_ready(self, *, within_s: float = 30) -> None:
        """Returns once /readyz answers 200, and each of several workers takes streams: one worker answers for itself
        only. CannotStart when it ended or `within_s` pass first.
        """
        if self.process is None:
            raise CannotStart("the service was not started")
        wait_ready(self.process, self._all_ready, within_s=within_s, log=self.log)

    def _all_ready(self) -> bool:
        if self._readers > 1:
            with self.log.open(errors="replace") as log:
                log.seek(self._log_before)
                if log.read().count("tail filled") < self._readers:
                    return False
        return self.ready()

    def ready(self) -> bool:
        """Whether /readyz answers 200 now."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=2)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        except http.client.HTTPException:
            return False
        finally:
            connection.close()

    def kill(self) -> None:
        """SIGKILL it and its workers. Nothing to kill is fine."""
        if self.process:
            self.process.kill()
        self.process = None

    def terminate(self, *, within_s: float | None = None) -> None:
        """SIGTERM it. With `within_s`, wait for its end; TimeoutError when it takes longer."""
        process = self.process
        assert process is not None, "the service does not run"
        process.send(signal.SIGTERM)
        if within_s is not None:
            wait_until(lambda: not process.alive, within_s=within_s, what="the end of the service")
            self.process = None

    def restart(self) -> None:
        """SIGKILL it, and start it again on the same port and data."""
        self.kill()
        self.start()

    def freeze(self) -> None:
        """SIGSTOP it and its workers."""
        assert self.process is not None, "the service does not run"
        self.process.freeze()

    def thaw(self) -> None:
        assert self.process is not None, "the service does not run"
        self.process.thaw()

    def logged(self) -> str:
        """All that it has logged so far."""
        return self.log.read_text(errors="replace")

    def token(self, sub: str, *, scope: str | None = None, topics: Sequence[str] = (), ttl_s: float = 3600) -> str:
        """A token that it takes."""
        claims: dict[str, Any] = {"sub": sub, "aud": "notify-sse", "exp": time.time() + ttl_s}
        if scope is not None:
            claims["scope"] = scope
        if topics:
            claims["topics"] = list(topics)
        token: str = jwt.encode(claims, SECRET, algorithm="HS256")
        return token
