"""A machine as docs/how-to/new-machine.md means it, below a folder: its /etc, /opt and /usr/local, ports of its own,
and small programs in place of those that need a whole machine. What is pasted is changed in names of places only.
"""

import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.deploy import systemctl
from tests.deploy.proxies import Nginx, with_yours
from tests.support.services import free_port
from tests.support.services.packages import executable

REPOSITORY = Path(__file__).parents[2]
NAME = "push.example.test"


class Machine:
    """`postgres` is the environment of a psql as the superuser; `broker` that of a `rabbitmqctl` on its PATH."""

    def __init__(self, folder: Path, *, postgres: Mapping[str, str], broker: Mapping[str, str]) -> None:
        self.folder = folder
        self.gateways = [free_port(), free_port()]
        self.prometheus = free_port()
        self._databases, self._queues = int(postgres["PGPORT"]), int(broker["RABBITMQ_NODE_PORT"])
        folder.mkdir()
        self._nginx = Nginx(folder / "nginx", self.gateways)
        self.https = self._nginx.port
        self._bin = folder / "bin"
        self.env = {name: value for name, value in broker.items() if not name.startswith("NOTIFY_SSE_")}
        self.env["PATH"] = f"{self._bin}:{folder}/usr/local/bin:{broker['PATH'].partition(':')[0]}:{systemctl.PATH}"
        self._make(postgres)

    @property
    def sources(self) -> Path:
        """Where the page is followed."""
        return self.folder / "sources"

    def here(self, text: str) -> str:
        """`text` with its places and ports on this machine."""
        text = re.sub(r"(?<![\w.-])/(?=(?:etc|opt|usr/local)/)", f"{self.folder}/", text)
        for port, ours in (("8001", self.gateways[0]), ("8002", self.gateways[1])):
            text = re.sub(rf"\b{port}\b", str(ours), text)
        text = text.replace("CHANGE-ME-1@127.0.0.1/", f"CHANGE-ME-1@127.0.0.1:{self._databases}/")
        text = text.replace("CHANGE-ME-2@127.0.0.1/", f"CHANGE-ME-2@127.0.0.1:{self._queues}/")
        return text.replace(f"{NAME}:443:", f"{NAME}:{self.https}:").replace(
            f"https://{NAME}/", f"https://{NAME}:{self.https}/"
        )

    def installed(self, version: str) -> None:
        """As after `pip install` of that version: its program runs this code."""
        self._script(self.folder / f"opt/notify-sse/{version}/bin/notify-sse", [sys.executable, "-m", "notify_sse"])

    def stop(self) -> None:
        for process in systemctl.running(self.folder).values():
            process.kill()

    def logged(self) -> str:
        """The end of what each unit logged."""
        return "\n".join(f"{file.name}: {file.read_text()[-3000:]}" for file in sorted(self.folder.glob("*.log")))

    def _make(self, postgres: Mapping[str, str]) -> None:
        for place in ("etc/nginx", "etc/prometheus", "etc/systemd/system", "usr/local/bin", "units", "opt/notify-sse"):
            (self.folder / place).mkdir(parents=True)
        for file in ("systemd/notify-sse.env", "systemd/notify-sse@.service", "prometheus/alerts.yml"):
            self._source(file, self.here((REPOSITORY / "deploy" / file).read_text()))
        self._source("prometheus/prometheus.yml", (REPOSITORY / "deploy/prometheus/prometheus.yml").read_text())
        self._source("nginx.conf", with_yours((REPOSITORY / "deploy/nginx.conf").read_text(), self._yours()))
        psql = [
            "env",
            *(f"{name}={value}" for name, value in postgres.items() if name[:2] == "PG"),
            "PGDATABASE=postgres",
        ]
        self._script(self._bin / "su", [*psql, executable("psql"), "--set=ON_ERROR_STOP=1"], only="postgres -c psql")
        self._script(self._bin / "systemctl", [sys.executable, "-m", systemctl.__name__, self.folder])
        nginx = [executable("nginx", "/usr/sbin/nginx"), "-e", f"{self.folder}/nginx.log"]
        nginx += ["-c", f"{self.folder}/etc/nginx/nginx.conf"]
        self._script(self._bin / "nginx", nginx)
        self._unit("nginx", self.https, [*nginx, "-g", "daemon off;"])
        prometheus = [executable("prometheus"), f"--config.file={self.folder}/etc/prometheus/prometheus.yml"]
        prometheus += [f"--storage.tsdb.path={self.folder}/tsdb", f"--web.listen-address=127.0.0.1:{self.prometheus}"]
        self._unit("prometheus", self.prometheus, prometheus)

    def _yours(self) -> dict[str, str]:
        """As the proxies' tests have it, but for what the page itself makes."""
        made = ("server_name", "ssl_certificate", "ssl_certificate_key")
        return {old: self.here(old) if old.split()[0] in made else new for old, new in self._nginx.yours().items()}

    def _source(self, name: str, text: str) -> None:
        file = self.sources / "deploy" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def _unit(self, name: str, port: int, command: Sequence[str | Path]) -> None:
        (self.folder / "units" / name).write_text(shlex.join([str(port), *map(str, command)]))

    def _script(self, file: Path, command: Sequence[str | Path], *, only: str | None = None) -> None:
        """A program that runs `command` with its arguments; with `only`, it takes no others, and drops them."""
        file.parent.mkdir(parents=True, exist_ok=True)
        check = f'[ "$*" = {shlex.quote(only)} ] || exit 64\nset --\n' if only else ""
        line = shlex.join(map(str, command))
        file.write_text(f'#!/bin/sh\n{check}export PYTHONPATH={REPOSITORY}\nexec {line} "$@"\n')
        file.chmod(0o755)
