"""CPU time and memory of groups of processes, from /proc; and the machine they run on. Linux only."""

import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

_TICKS: Final = os.sysconf("SC_CLK_TCK")
_STATE, _PARENT, _CPU = 0, 1, slice(11, 15)


class Meter:
    """Groups by name: the pids that each begins with. What they start, now or later, belongs to them."""

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        self._groups = groups

    def cpu_s(self) -> dict[str, float]:
        """CPU seconds used so far by each group, by what has ended in it too."""
        children = _children()
        return {
            name: sum(_cpu_ticks(pid) for pid in _tree(roots, children)) / _TICKS
            for name, roots in self._groups.items()
        }

    def memory_bytes(self, group: str) -> int:
        """Resident memory of a group; pages that its processes share count once."""
        return sum(_pss_bytes(pid) for pid in _tree(self._groups.get(group, ()), _children()))


class Machine(msgspec.Struct, frozen=True):
    """What a figure was measured on."""

    cpu: str
    cores: int
    memory_gb: float
    system: str
    kernel: str
    python: str


def machine() -> Machine:
    """This machine."""
    return Machine(
        cpu=_field("/proc/cpuinfo", "model name") or platform.processor() or "unknown",
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(int((_field("/proc/meminfo", "MemTotal") or "0 kB").split()[0]) / 1024 / 1024, 1),
        system=platform.freedesktop_os_release().get("PRETTY_NAME", platform.system()),
        kernel=platform.release(),
        python=f"{platform.python_implementation()} {platform.python_version()}",
    )


def load_average() -> float:
    """Of the last minute: what else ran beside a measurement shows here."""
    return round(os.getloadavg()[0], 2)


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat from the state on; none when the process has gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _children() -> dict[int, list[int]]:
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[_PARENT]), []).append(int(entry.name))
    return children


def _tree(roots: Sequence[int], children: Mapping[int, list[int]]) -> list[int]:
    found, ahead = [], list(roots)
    while ahead:
        pid = ahead.pop()
        found.append(pid)
        ahead += children.get(pid, ())
    return found


def _cpu_ticks(pid: int) -> int:
    """User and system time, its own and that of its children which ended."""
    return sum(int(field) for field in _stat(pid)[_CPU])


def _pss_bytes(pid: int) -> int:
    try:
        return int((_field(f"/proc/{pid}/smaps_rollup", "Pss") or "0 kB").split()[0]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        return 0
