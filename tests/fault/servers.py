"""The private RabbitMQ and Postgres of a run, with what makes some faults possible: a disk that can fill, and live
queues that overflow soon.
"""

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.services import InstalledPostgres, InstalledRabbit, ensure, private_directory
from tests.support.services.processes import accepts, wait_until

DISK_BYTES = 1_500_000_000
LIVE_QUEUE_MESSAGES = 20
POSTGRES_SETTINGS = {"max_wal_size": "128MB", "min_wal_size": "32MB", "checkpoint_timeout": "60s"}


class SmallBuffers(InstalledRabbit):
    """A RabbitMQ whose socket buffers are small, so that a consumer that reads nothing is soon felt by its queue."""

    def _write_configuration(self) -> None:
        super()._write_configuration()
        with (self.directory / "rabbitmq.conf").open("a") as configuration:
            configuration.write("tcp_listen_options.sndbuf = 16384\n")


class Servers:
    """Both servers. Their methods block, as the servers' own do; here they are called in threads."""

    def __init__(self) -> None:
        self.directory = private_directory()
        self.disk: Path | None = None
        self.rabbitmq = SmallBuffers(self.directory / "rabbitmq")
        self.postgres = InstalledPostgres(self.directory / "postgres", settings=POSTGRES_SETTINGS)

    async def start(self, *, small_disk: bool = False) -> None:
        """Start both. `small_disk`: Postgres on a small tmpfs of its own, where this process may mount one."""
        ensure("postgres")
        ensure("rabbitmq")
        if small_disk and os.geteuid() == 0:
            self._mount()
        await asyncio.gather(asyncio.to_thread(self.postgres.start), asyncio.to_thread(self.rabbitmq.start))

    async def bound_live_queues(self) -> None:
        """Have the broker throw away announcements of whoever is slow, far sooner than the default would."""
        pattern, definition = r"\.live\.", f'{{"max-length":{LIVE_QUEUE_MESSAGES}}}'
        await self.ctl("set_policy", "--apply-to", "queues", "tiny-live-queues", pattern, definition)

    async def ctl(self, *arguments: str) -> str:
        """What `rabbitmqctl` prints."""
        return await asyncio.to_thread(self.rabbitmq.ctl, *arguments)

    async def stop(self, *, keep: bool = False) -> None:
        """End both, and remove their data unless told to `keep` it."""
        for server in (self.postgres, self.rabbitmq):
            with suppress(Exception):
                await asyncio.to_thread(server.stop if keep else server.discard)
        if self.disk and not keep:
            await asyncio.to_thread(_run, "umount", "-l", str(self.disk))
        if not keep:
            shutil.rmtree(self.directory, ignore_errors=True)

    def fill_disk(self) -> None:
        """Leave Postgres no byte to write."""
        assert self.disk
        file = os.open(self.disk / "ballast", os.O_WRONLY | os.O_CREAT)
        try:
            for size in (1 << 20, 4096):
                piece = b"\0" * size
                with suppress(OSError):
                    while True:
                        os.write(file, piece)
        finally:
            os.close(file)

    def free_disk(self) -> None:
        """Give it back. Postgres may have ended on a full disk: it is started again then, as an init system would."""
        assert self.disk
        (self.disk / "ballast").unlink(missing_ok=True)
        self.revive_postgres()

    def revive_postgres(self) -> None:
        """Start Postgres if it does not run; returns once it answers."""
        if self.postgres.running:
            with suppress(TimeoutError):
                wait_until(self._postgres_answers, within_s=20, what="Postgres after its crash", every_s=0.1)
                return
            self.postgres.kill()
        self.postgres.start()

    def _postgres_answers(self) -> bool:
        return not self.postgres.running or self.postgres._answers()

    def revive_rabbitmq(self) -> None:
        """Start RabbitMQ if it does not run."""
        if not self.rabbitmq.running:
            self.rabbitmq.start()

    @property
    def broker_accepts(self) -> bool:
        return accepts(self.rabbitmq.port)

    def _mount(self) -> None:
        disk = self.directory / "postgres"
        disk.mkdir()
        if _run("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(disk)):
            self.disk = disk


def _run(*command: str) -> bool:
    return subprocess.run(command, check=False, capture_output=True).returncode == 0
