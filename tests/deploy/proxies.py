"""nginx, Caddy and HAProxy as processes, each on its file in deploy/ with nothing changed but what is a site's own."""

import os
import re
import signal
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.certificate import CERTIFICATE, KEY, write_certificate
from tests.support.services import CannotStart, Process, free_port
from tests.support.services.packages import executable
from tests.support.services.processes import accepts, spawn, wait_ready

DEPLOY = Path(__file__).parents[2] / "deploy"
ESTABLISHED = "01"
"""As in /proc/net/tcp."""
YOURS = re.compile(r"^( *)(\S.*?;) +# yours$", re.MULTILINE)


class Proxy(ABC):
    """A proxy before the gateways on `ports`, with TLS on a free port of `localhost`; its files are in `directory`."""

    FILE: str

    def __init__(self, directory: Path, ports: Sequence[int]) -> None:
        self.directory = directory
        self.ports = ports
        self.port = free_port()
        self.clear_port = free_port()
        self.output = directory / "output.log"
        self.access_log = self.output
        """Where requests are logged."""
        self._process: Process | None = None
        directory.mkdir()
        write_certificate(directory)

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def process(self) -> Process:
        assert self._process, "the proxy does not run"
        return self._process

    def start(self) -> None:
        """Start it; returns once it accepts connections."""
        self._process = spawn(
            self.command(), log=self.output, env=os.environ | dict(self.environment()), cwd=self.directory
        )
        wait_ready(self._process, lambda: accepts(self.port), within_s=20, log=self.output)

    def stop(self) -> None:
        if self._process:
            self._process.kill()

    @abstractmethod
    def command(self) -> Sequence[str | Path]:
        """What runs it in the foreground."""

    def environment(self) -> Mapping[str, str]:
        """The variables that its file reads."""
        return {}

    def connections(self) -> int:
        """How many TCP connections are open to it, with TLS."""
        rows = [
            line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]
        ]
        return sum(row[1].endswith(f":{self.port:04X}") and row[3] == ESTABLISHED for row in rows)

    def reload(self) -> list[Process]:
        """Have it read its file again, as after a change; the processes that served until then."""
        before = self.process.descendants()
        self._reload()
        return before

    @abstractmethod
    def _reload(self) -> None: ...

    def logged(self) -> dict[str, str]:
        """All that it has logged so far, by file."""
        return {path.name: path.read_text(errors="replace") for path in self.directory.glob("*.log")}


class Nginx(Proxy):
    """Only lines that end with `# yours` are changed."""

    FILE = "nginx.conf"
    LIMIT = 1000
    """Streams of one address; as the file has it."""

    def command(self) -> Sequence[str | Path]:
        self.access_log = self.directory / "access.log"
        file = self.directory / self.FILE
        file.write_text(self._configuration())
        start_up_log = self.directory / "start.log"
        return [executable("nginx", "/usr/sbin/nginx"), "-e", start_up_log, "-c", file, "-g", "daemon off;"]

    def _reload(self) -> None:
        self.process.send(signal.SIGHUP)

    def _configuration(self) -> str:
        return with_yours((DEPLOY / self.FILE).read_text(), self.yours())

    def yours(self) -> dict[str, str]:
        here = self.directory
        temporary = "".join(
            f" {kind}_temp_path {here / kind};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        return {
            "user www-data;": "",
            "pid /run/nginx.pid;": f"pid {here / 'nginx.pid'};",
            "error_log /var/log/nginx/error.log warn;": f"error_log {here / 'error.log'} warn;",
            "access_log /var/log/nginx/notify-sse.log notify_sse;": (
                f"access_log {self.access_log} notify_sse;{temporary}"
            ),
            "server 127.0.0.1:8001 max_fails=0;": f"server 127.0.0.1:{self.ports[0]} max_fails=0;",
            "server 127.0.0.1:8002 max_fails=0;": f"server 127.0.0.1:{self.ports[1]} max_fails=0;",
            "listen 80;": f"listen 127.0.0.1:{self.clear_port};",
            "listen 443 ssl http2;": f"listen 127.0.0.1:{self.port} ssl http2;",
            "server_name push.example.test;": "server_name localhost;",
            "ssl_certificate /etc/notify-sse/tls/cert.pem;": f"ssl_certificate {here / CERTIFICATE};",
            "ssl_certificate_key /etc/notify-sse/tls/key.pem;": f"ssl_certificate_key {here / KEY};",
            "limit_conn streams_per_address 1000;": f"limit_conn streams_per_address {self.LIMIT};",
        }


class NginxWithLowLimit(Nginx):
    """Few enough that a test can have more."""

    LIMIT = 3


class NginxWithCanary(Nginx):
    """With deploy/nginx-canary.conf, as docs/how-to/upgrade.md says: half of the clients get the second gateway."""

    def _configuration(self) -> str:
        now, coming = (f"server 127.0.0.1:{port} max_fails=0;" for port in self.ports)
        canary = {"server 127.0.0.1:8003 max_fails=0;": coming, "10% notify_sse_next;": "50% notify_sse_next;"}
        included = self.directory / "nginx-canary.conf"
        included.write_text(with_yours((DEPLOY / included.name).read_text(), canary))
        file = self.directory / "before-canary.conf"
        file.write_text(super()._configuration().replace(coming, now))
        [command] = re.findall(r"^sed .*$", (DEPLOY.parent / "docs/how-to/upgrade.md").read_text(), re.MULTILINE)
        for named, here in (("/etc/nginx/nginx-canary.conf", included), ("/etc/nginx/nginx.conf", file)):
            command = command.replace(named, str(here))
        subprocess.run(command, shell=True, check=True)
        return file.read_text()


class Caddy(Proxy):
    """Nothing is changed: it reads what is a site's own from its environment."""

    FILE = "Caddyfile"

    def command(self) -> Sequence[str | Path]:
        self.access_log = self.directory / "access.log"
        return [executable("caddy"), "run", "--config", DEPLOY / self.FILE, "--adapter", "caddyfile"]

    def environment(self) -> Mapping[str, str]:
        return {
            "HOME": str(self.directory),
            "XDG_DATA_HOME": str(self.directory / "data"),
            "XDG_CONFIG_HOME": str(self.directory / "config"),
            "CADDY_ADMIN": f"unix/{self.directory / 'admin.socket'}",
            "NOTIFY_SSE_SITE": self.url,
            "NOTIFY_SSE_HTTP_PORT": str(self.clear_port),
            "NOTIFY_SSE_TLS": f"{self.directory / CERTIFICATE} {self.directory / KEY}",
            "NOTIFY_SSE_ACCESS_LOG": str(self.access_log),
            "NOTIFY_SSE_GATEWAYS": " ".join(f"127.0.0.1:{port}" for port in self.ports),
        }

    def _reload(self) -> None:
        command: list[str | Path] = [
            executable("caddy"),
            "reload",
            "--force",
            "--config",
            DEPLOY / self.FILE,
            "--adapter",
            "caddyfile",
        ]
        environment = os.environ | dict(self.environment())
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise CannotStart(f"caddy reload failed: {done.stderr}")


class HAProxy(Proxy):
    """Nothing is changed: it reads what is a site's own from its environment."""

    FILE = "haproxy.cfg"

    def command(self) -> Sequence[str | Path]:
        parts = [(self.directory / name).read_text() for name in (CERTIFICATE, KEY)]
        (self.directory / "push.pem").write_text("".join(parts))
        return [executable("haproxy", "/usr/sbin/haproxy"), "-W", "-db", "-f", DEPLOY / self.FILE]

    def environment(self) -> Mapping[str, str]:
        return {
            "NOTIFY_SSE_HTTP": f"127.0.0.1:{self.clear_port}",
            "NOTIFY_SSE_HTTPS": f"127.0.0.1:{self.port}",
            "NOTIFY_SSE_PEM": str(self.directory / "push.pem"),
            "NOTIFY_SSE_GATEWAY_1": f"127.0.0.1:{self.ports[0]}",
            "NOTIFY_SSE_GATEWAY_2": f"127.0.0.1:{self.ports[1]}",
        }

    def _reload(self) -> None:
        self.process.send(signal.SIGUSR2)


def with_yours(text: str, yours: Mapping[str, str]) -> str:
    """`text` with each statement that ends in `# yours` replaced. Those must be the statements of `yours` exactly."""
    found = {match[2] for match in YOURS.finditer(text)}
    assert found == set(yours), f"marked as yours: {found ^ set(yours)}"
    assert text.count("# yours") == len(YOURS.findall(text)) + 1, "only a statement can be yours"
    return YOURS.sub(lambda match: match[1] + yours[match[2]], text)
