"""`process_*` of several workers, each by its number."""

import os
from pathlib import Path

import pytest

from notify_sse.telemetry.labels import WORKER
from notify_sse.telemetry.process_stats import WorkersCollector, announce_worker


def test_each_worker_that_runs_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that has died is left out; its successor takes its number."""
    for number in ("1", "2"):
        monkeypatch.setenv(WORKER, number)
        announce_worker(str(tmp_path))
    (tmp_path / "worker-3").write_text("0")  # no process has this id
    families = {family.name: family for family in WorkersCollector(str(tmp_path)).collect()}
    memory = families["process_resident_memory_bytes"]
    assert [sample.labels["worker"] for sample in memory.samples] == ["1", "2"]
    assert all(sample.value > 1e6 for sample in memory.samples)
    assert {sample.name for sample in families["process_cpu_seconds"].samples} == {"process_cpu_seconds_total"}
    assert int((tmp_path / "worker-1").read_text()) == os.getpid()
