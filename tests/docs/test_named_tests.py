"""Tests that the documentation names are there, and what it says of the limits is so."""

import re
from pathlib import Path

import pytest

from notify_sse.config import Settings, variable

ROOT = Path(__file__).parents[2]
TESTS = {
    name
    for file in (ROOT / "tests").rglob("test_*.py")
    for name in re.findall(r"^\s*(?:async )?def (test_\w+)\(", file.read_text(), re.MULTILINE)
}
LIMITS = ROOT / "docs/reference/limits.md"
METRICS = ROOT / "docs/reference/metrics.md"
"""Another test compares it with the code."""
PAGES = [LIMITS, ROOT / "docs/explanation/broken-once.md", ROOT / "docs/explanation/security.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_test_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    assert [name for name in re.findall(r"`(test_\w+)`", text) if name not in TESTS] == []
    assert [path for path in re.findall(r"`(tests/[\w./-]+)`", text) if not (ROOT / path).exists()] == []


def test_every_row_of_what_was_broken_names_a_test() -> None:
    rows = [
        line for line in PAGES[1].read_text().splitlines() if line.startswith("| ") and not line.startswith("| what")
    ]
    assert len(rows) > 50
    assert [row for row in rows if "`test" not in row] == []


def _limits() -> list[list[str]]:
    """The rows of the table: limit, setting, metric, test."""
    table = LIMITS.read_text().partition("| limit | setting | metric | test |")[2].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("row", _limits(), ids=lambda row: row[0])
def test_each_limit_names_a_setting_a_metric_and_a_test(row: list[str]) -> None:
    """A limit without a metric is met by nobody, and one without a test does not limit."""
    _, setting, metric, test = row
    settings = set(map(variable, Settings.__struct_fields__))
    assert setting == "fixed" or f"NOTIFY_SSE_{setting.strip('`')}" in settings
    assert f"\n| {metric} |" in METRICS.read_text()
    assert test.strip("`") in TESTS


def test_each_setting_that_is_a_limit_has_its_row() -> None:
    named = {row[1].strip("`").lower() for row in _limits()}
    limits = {field for field in Settings.__struct_fields__ if field.startswith(("limit_", "max_"))}
    assert limits - named == set()


def test_no_address_of_a_broker_ends_with_a_slash() -> None:
    """To clients in Java and Ruby, `amqp://host/` is the virtual host with an empty name."""
    places = [
        f"{file.relative_to(ROOT)}: {found}"
        for pattern in ("README.md", "compose.yaml", "docs/**/*.md", "deploy/**/*.*", "tests/support/services/*.py")
        for file in ROOT.glob(pattern)
        if "__pycache__" not in file.parts
        for found in re.findall(r"amqps?://[^\s`'\"<>/]+/(?=[\s`'\")]|$)", file.read_text())
    ]
    assert places == []
