"""Names of metrics: in PromQL, and in the reference."""

import re
from pathlib import Path

REFERENCE = Path(__file__).parents[2] / "docs/reference/metrics.md"
PARTS = re.compile(r"_(bucket|sum|count)$")


def named(query: str) -> set[str]:
    """The service's metrics that a query reads, a histogram's parts as the histogram."""
    return {PARTS.sub("", name) for name in re.findall(r"\bnotify_sse_\w+", query)}


def documented() -> set[str]:
    """The metrics of the reference, which a test compares with the code."""
    return set(re.findall(r"^\| `(notify_sse_\w+)`", REFERENCE.read_text(encoding="utf-8"), re.MULTILINE))
