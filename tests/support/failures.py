"""What the report of a failed test shows: how the logs of the servers that it used end."""

from pathlib import Path

import pytest

from tests.support.services import processes

LOGS = pytest.StashKey[list[Path]]()
"""On a test: the logs to show."""
LINES = 60


def show_log(request: pytest.FixtureRequest, log: Path) -> None:
    """Have the end of `log` in the report, should this test fail."""
    logs = request.node.stash.setdefault(LOGS, [])
    if log not in logs:
        logs.append(log)


def ends_of_logs(item: pytest.Item) -> list[tuple[str, str]]:
    """Sections for the report of `item`."""
    ends = [(log, processes.tail(log, lines=LINES)) for log in item.stash.get(LOGS, [])]
    return [(f"the end of {log.name}", end) for log, end in ends if end]
