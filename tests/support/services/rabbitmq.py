"""A private RabbitMQ node on free loopback ports, from the installed binaries.

It shares nothing with another node on the machine: its own name, data, logs, configuration, plugins (none), cookie,
and its own epmd (Erlang's port mapper), so that everything that was started can be stopped by pid.
"""

import os
import shutil
import signal
import subprocess
from abc import abstractmethod
from pathlib import Path

from tests.support.services.processes import (
    CannotStart,
    Process,
    accepts,
    free_port,
    spawn,
    wait_ready,
    wait_until,
)
from tests.support.services.server import Server

CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.relative = {watermark}
log.file.level = info
"""
WATERMARK = "0.4"
STARTED = b"Server startup complete"
DEAD_LETTERING_IS_UP = """
Workers = fun() -> [Pid || {_, Pid, _, _} <- supervisor:which_children(rabbit_fifo_dlx_sup)] end,
Key = <<"x-dead-letter-strategy">>,
Queues = [Queue || Queue <- rabbit_amqqueue:list(), lists:keymember(Key, 1, amqqueue:get_arguments(Queue))],
Wait = fun
    Wait(Turns) when Turns > 0 ->
        length(Workers()) >= length(Queues) orelse begin timer:sleep(20), Wait(Turns - 1) end;
    Wait(_) -> false
end,
Wait(1000), [sys:get_state(Pid, 30000) || Pid <- Workers()], ok.
"""


def scripts() -> Path | None:
    """The folder of the newest RabbitMQ's own scripts, or None.

    Not the `rabbitmq-server` on Debian's PATH: that one changes to the user `rabbitmq` and the system's folders.
    """
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if found:
        return found[-1].parent
    on_path = shutil.which("rabbitmq-server")
    return Path(on_path).resolve().parent if on_path else None


class RabbitServer(Server):
    """A RabbitMQ, and what it can be made to do to its clients."""

    @abstractmethod
    def ctl(self, *args: str) -> str:
        """What `rabbitmqctl` prints for `args`; takes about half a second."""

    @abstractmethod
    def kill(self, *, at_once: bool = False) -> None:
        """SIGKILL it, as a power cut of its process; `at_once` as it is, see `InstalledRabbit.kill`."""

    def settle(self) -> None:
        """Wait until each queue has what serves its at-least-once dead-lettering: a process that needs the queue's
        leader, and its disk, to begin.

        RabbitMQ 3.10 loses their supervisor for good, and with it every queue that comes after, when a queue is deleted
        in that moment. A queue that the broker itself has lost is waited for 20 s.
        """
        self.ctl("eval", DEAD_LETTERING_IS_UP)

    def write_names(self) -> None:
        """Have the names of its quorum queues written down, see `InstalledRabbit.kill`."""
        self.ctl("eval", "[dets:sync(Table) || Table <- dets:all()].")

    def close_all_connections(self, reason: str = "closed by a test") -> None:
        """The server closes every client's connection (320 CONNECTION_FORCED)."""
        self.ctl("close_all_connections", reason)

    def raise_memory_alarm(self) -> None:
        """Put the memory watermark below what is in use: publishers are blocked once this returns."""
        self.ctl("set_vm_memory_high_watermark", "absolute", "1MB")
        wait_until(self.memory_alarm, within_s=20, what="the memory alarm")

    def clear_memory_alarm(self) -> None:
        """Undo `raise_memory_alarm`; publishers are free once this returns."""
        self.ctl("set_vm_memory_high_watermark", WATERMARK)
        wait_until(lambda: not self.memory_alarm(), within_s=20, what="the end of the memory alarm")

    def memory_alarm(self) -> bool:
        """Whether the memory alarm is raised."""
        return "memory" in self.ctl("eval", "rabbit_alarm:get_alarms().")


class InstalledRabbit(RabbitServer):
    """A `RabbitServer` from the installed binaries: one node with its own data in `directory`.

    `start()` after `kill()` or `stop()` runs it again on the same port and data.
    """

    END = signal.SIGTERM

    def __init__(self, directory: Path, *, port: int | None = None) -> None:
        found = scripts()
        if found is None:
            raise CannotStart("RabbitMQ is not installed")
        self.port = port or free_port()
        self.directory = directory
        self.log = directory / "rabbitmq.log"
        self.process: Process | None = None
        self.epmd: Process | None = None
        self._scripts = found
        self._epmd_port = free_port()
        self._dist_port = free_port()
        self._node = f"notify-sse-{self.port}@127.0.0.1"  # a fresh machine may not know what `localhost` is

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it; returns once it accepts AMQP connections."""
        self._write_configuration()
        if self.epmd is None or not self.epmd.alive:
            self._start_epmd()
        said_before = self.log.stat().st_size if self.log.exists() else 0
        self.process = spawn([self._scripts / "rabbitmq-server"], log=self.log, env=self._env(), cwd=self.directory)

        def ready() -> bool:
            with self.log.open("rb") as log:
                log.seek(said_before)
                return STARTED in log.read()

        wait_ready(self.process, ready, within_s=120, log=self.log)
        self.settle()

    def stop(self) -> None:
        """End the node in order, and its epmd."""
        for process, within_s in ((self.process, 30), (self.epmd, 5)):
            if process:
                process.end(self.END, within_s=within_s)
        self.process = self.epmd = None

    def discard(self) -> None:
        """End it, and remove its data."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)

    def kill(self, *, at_once: bool = False) -> None:
        """SIGKILL the node, as a power cut of the process. Its epmd stays for the next start.

        RabbitMQ 3.10 loses a quorum queue, with what was confirmed in it, when it is killed within about a second of
        the queue's declaration: Ra writes its table of names down only then. It is written first, so that what a
        test finds lost was lost by us. `at_once` kills without that, as is done to a frozen node.
        """
        if self.process and self.process.alive and not self.process.frozen and not at_once:
            self.write_names()
        if self.process:
            self.process.kill()
        self.process = None

    def freeze(self) -> None:
        """SIGSTOP the node: connections stay open and nothing answers."""
        self._running().freeze()

    def thaw(self) -> None:
        self._running().thaw()

    @property
    def processes(self) -> list[Process]:
        """What there is to signal."""
        return [process for process in (self.process, self.epmd) if process]

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.alive

    def ctl(self, *args: str) -> str:
        done = subprocess.run(
            [str(self._scripts / "rabbitmqctl"), "-q", "-n", self._node, *args],
            env=self._env(),
            cwd=self.directory,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"rabbitmqctl {' '.join(args)}: {(done.stderr or done.stdout).strip()}")
        return done.stdout.strip()

    def _running(self) -> Process:
        assert self.process is not None, "RabbitMQ does not run"
        return self.process

    def _write_configuration(self) -> None:
        (self.directory / "home").mkdir(parents=True, exist_ok=True)
        text = CONFIGURATION.format(port=self.port, watermark=WATERMARK)
        (self.directory / "rabbitmq.conf").write_text(text)
        (self.directory / "enabled_plugins").write_text("[].\n")
        (self.directory / "rabbitmq-env.conf").touch()

    def _start_epmd(self) -> None:
        epmd = shutil.which("epmd") or next((str(path) for path in Path("/usr/lib/erlang/bin").glob("epmd")), None)
        if epmd is None:
            raise CannotStart("RabbitMQ is installed, but Erlang's epmd is not")
        log = self.directory / "epmd.log"
        command = [epmd, "-port", str(self._epmd_port), "-address", "127.0.0.1"]
        self.epmd = spawn(command, log=log, env=self._env(), cwd=self.directory)
        wait_ready(self.epmd, lambda: accepts(self._epmd_port), within_s=30, log=log)

    def _env(self) -> dict[str, str]:
        home = self.directory / "home"
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(home),  # the Erlang cookie is kept here
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._dist_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "mnesia"),
            "RABBITMQ_LOG_BASE": str(self.directory / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.directory / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "enabled_plugins"),
            "RABBITMQ_ALLOW_INPUT": "true",  # the script becomes the node, instead of staying its parent
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-noinput -kernel inet_dist_use_interface {127,0,0,1}",
        }
