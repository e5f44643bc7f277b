"""What hostile input may not move: memory, the event loop, open files, streams against sockets, error records."""

import http.client
import re
import time
from pathlib import Path
from typing import Final

import msgspec

from tests.support.service import Service

_STREAMS: Final = re.compile(r"^notify_sse_streams(?:\{[^}]*\})? (\S+)$", re.MULTILINE)
_RESIDENT: Final = re.compile(r"^VmRSS:\s+(\d+) kB$", re.MULTILINE)
_ERROR: Final = re.compile(r"\b(?:ERROR|CRITICAL|Traceback)\b")
ESTABLISHED: Final = "01"
SETTLE_EVERY_S: Final = 0.3


class Vitals(msgspec.Struct, frozen=True):
    """One look at a service of one process."""

    memory_kb: int
    files: int
    streams: int
    sockets: int
    answered_s: float
    """How long it took to answer /healthz."""


class Watchdog:
    """Looks at a service of one process. It runs on Linux only, as the service does."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._logged = len(service.logged())
        self.slowest_s = 0.0

    def look(self) -> Vitals:
        """One look. Raises OSError when the service does not answer within five seconds."""
        process = self._service.process
        assert process is not None, "the service does not run"
        began = time.monotonic()
        self._get("/healthz")
        answered_s = time.monotonic() - began
        self.slowest_s = max(self.slowest_s, answered_s)
        streams = _STREAMS.findall(self._get("/metrics"))
        return Vitals(
            memory_kb=resident_kb(process.pid),
            files=len(list(Path(f"/proc/{process.pid}/fd").iterdir())),
            streams=int(sum(map(float, streams))),
            sockets=self._sockets(),
            answered_s=answered_s,
        )

    def memory_kb(self) -> int:
        """Cheap, and for whoever measures times: the kernel's table that `look` reads is long under attack."""
        assert self._service.process is not None, "the service does not run"
        return resident_kb(self._service.process.pid)

    def errors(self) -> list[str]:
        """The records that want a person, since the watchdog began."""
        logged = self._service.logged()[self._logged :]
        return [line for line in logged.splitlines() if _ERROR.search(line)]

    def settled(self, *, within_s: float, files: int | None = None) -> Vitals:
        """Look until no stream is open, and so many files at most; returns the last look."""
        until = time.monotonic() + within_s
        while True:
            now = self.look()
            calm = not now.streams and (files is None or now.files <= files)
            if calm or time.monotonic() > until:
                return now
            time.sleep(SETTLE_EVERY_S)

    def _get(self, path: str) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=5)
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            assert answer.status == http.HTTPStatus.OK, answer.status
            return answer.read().decode()
        finally:
            connection.close()

    def _sockets(self) -> int:
        """Connections that the service has accepted and that are open, from the kernel's table."""
        local = f":{self._service.port:04X}"
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        return sum(row[1].endswith(local) and row[3] == ESTABLISHED for row in rows)


def resident_kb(pid: int) -> int:
    """The memory of one process."""
    resident = _RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    assert resident
    return int(resident[1])
