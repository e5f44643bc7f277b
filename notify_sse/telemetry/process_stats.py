"""`process_*`: CPU, memory and open files. Of this process, or, with several workers, of each of them.

prometheus-client's own collector reads /proc for one process. In its multiprocess mode it is left out, so the workers
leave their process ids beside the files of that mode.
"""

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from notify_sse.telemetry.labels import worker

_PREFIX: Final = "worker-"


def announce_worker(directory: str) -> None:
    """Leave this worker's process id in `directory`."""
    Path(directory, _PREFIX + worker()).write_text(str(os.getpid()), encoding="ascii")


class WorkersCollector(Collector):
    """Every worker that left its process id in `directory` and still runs, told apart by the label `worker`."""

    def __init__(self, directory: str) -> None:
        self._directory = Path(directory)

    def collect(self) -> Iterator[Metric]:
        """One metric a kind, with a sample for each worker."""
        merged: dict[str, Metric] = {}
        for file in sorted(self._directory.glob(f"{_PREFIX}*")):
            number, pid = file.name.removeprefix(_PREFIX), file.read_text(encoding="ascii")
            for metric in ProcessCollector(pid=partial(str, pid), registry=None).collect():
                kept = merged.setdefault(metric.name, Metric(metric.name, metric.documentation, metric.type))
                for sample in metric.samples:
                    kept.add_sample(sample.name, {"worker": number}, sample.value)
        yield from merged.values()


def collect_process(registry: CollectorRegistry) -> None:
    """Expose this process in `registry`."""
    ProcessCollector(registry=registry)
