"""Which parts of a script Node has run: read out of V8's reports (NODE_V8_COVERAGE), one for each thread."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SAYS_NOTHING = frozenset(" \t\n{}()[];,")
"""Of these alone V8 may say that they were not run: the end of a block behind a `return`."""


def not_run(script: Path, reports: Path) -> list[str]:
    """The lines of `script` of which a part was run by no thread, with their numbers; all, when no thread had it."""
    text = script.read_text()
    ran = [False] * len(text)
    for counts in _counts(script, reports, len(text)):
        ran = [before or count > 0 for before, count in zip(ran, counts, strict=True)]
    lines: list[str] = []
    begins = 0
    for number, line in enumerate(text.splitlines(keepends=True), 1):
        missed = "".join(char for char, done in zip(line, ran[begins:], strict=False) if not done)
        if set(missed) - SAYS_NOTHING:
            lines.append(f"{script.name}:{number}: {missed.strip()}")
        begins += len(line)
    return lines


def _counts(script: Path, reports: Path, length: int) -> Iterator[list[int]]:
    """For each thread: how often each character was run. (Offsets are UTF-16 units: no script has others than one.)"""
    for report in reports.glob("coverage-*.json"):
        for module in json.loads(report.read_text())["result"]:
            if module["url"] == script.as_uri():
                yield _innermost(module["functions"], length)


def _innermost(functions: list[dict[str, Any]], length: int) -> list[int]:
    """The count of the smallest range that holds a character is that of the character."""
    ranges = [one for function in functions for one in function["ranges"]]
    counts = [0] * length
    for one in sorted(ranges, key=lambda one: (one["startOffset"], -one["endOffset"])):
        begin, end = one["startOffset"], min(one["endOffset"], length)
        counts[begin:end] = [one["count"]] * (end - begin)
    return counts
