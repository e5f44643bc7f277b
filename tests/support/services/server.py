"""What every server of the tests can do, whatever it runs on: installed binaries, or a container."""

import signal
from abc import ABC, abstractmethod
from pathlib import Path

from tests.support.services.processes import Process


class Server(ABC):
    """A server on a free loopback `port`. `start()` after `kill()` or `stop()` runs it again on the same data.

    `END` is the signal that ends each of its `processes` in order.
    """

    END: signal.Signals
    port: int
    log: Path

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its clients connect."""

    @property
    @abstractmethod
    def running(self) -> bool:
        """Whether it runs; a frozen one does."""

    @property
    @abstractmethod
    def processes(self) -> list[Process]:
        """What there is to signal."""

    @abstractmethod
    def start(self) -> None:
        """Start it; returns once it answers its clients."""

    @abstractmethod
    def stop(self) -> None:
        """End it in order; every connection is closed."""

    @abstractmethod
    def discard(self) -> None:
        """End it, and remove its data."""

    @abstractmethod
    def kill(self) -> None:
        """SIGKILL it, as a power cut of its process."""

    @abstractmethod
    def freeze(self) -> None:
        """Stop it where it is: connections stay open and nothing answers."""

    @abstractmethod
    def thaw(self) -> None:
        """Undo `freeze`."""
