"""The document of the guarantee names tests and faults that are there."""

import re
from pathlib import Path

from tests.fault.launch import POINTS

ROOT = Path(__file__).parents[2]
GUARANTEE = ROOT / "docs/explanation/guarantee.md"
ROWS = 32


def test_every_row_names_a_test_that_is_there() -> None:
    """Each of the rows has its test, by a name that can be run."""
    text = GUARANTEE.read_text().partition("## What goes wrong")[2]
    rows = re.findall(r"^\| (\d+) \|.*$", text, re.MULTILINE)
    assert [int(row) for row in rows] == list(range(1, ROWS + 1))
    for line in (line for line in text.splitlines() if re.match(r"\| \d+ \|", line)):
        named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", line)
        assert named, line
        for path, name in named:
            assert re.search(rf"^\s*(async )?def {name}\(", (ROOT / path).read_text(), re.MULTILINE), f"{path}::{name}"


def test_it_counts_the_crash_points() -> None:
    assert f"{len(POINTS)} named points" in GUARANTEE.read_text()
