"""The decision records have one form, and the index has them all."""

import re
from pathlib import Path

import pytest

RECORDS = Path(__file__).parents[2] / "docs" / "adr"
FILES = sorted(RECORDS.glob("[0-9]*.md"))
HEADINGS = ["Status", "Context", "Decision", "Consequences"]


@pytest.mark.parametrize("record", FILES, ids=lambda record: record.stem)
def test_a_record_has_the_four_headings(record: Path) -> None:
    """In this order, each with text; others may follow."""
    parts = re.split(r"^## (.+)$", record.read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert parts[1::2][:4] == HEADINGS
    assert all(text.strip() for text in parts[2::2])


def test_the_index_has_every_record_with_its_title_status_and_date() -> None:
    """Number, title, status and date are those of the record itself; the last column says it in one line."""
    index = (RECORDS / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[(\d+)\]\((.+?)\) \| (.+?) \| (\w[\w ]*) \| (\S+) \| \S.* \|$", index, re.MULTILINE)
    assert listed == [_row(record) for record in FILES]
    assert [int(number) for number, *_ in listed] == list(range(1, len(FILES) + 1))


def _row(record: Path) -> tuple[str, ...]:
    text = record.read_text(encoding="utf-8")
    title = re.match(r"# (\d+)\. (.+)\n", text)
    status = re.search(r"^## Status\n\n(\w[\w ]*), (\d{4}-\d\d-\d\d)\.$", text, re.MULTILINE)
    assert title, f"{record.name} has no title of the form `# 1. The decision`"
    assert status, f"{record.name} has no status of the form `Accepted, 2026-11-26.`"
    return title[1], record.name, title[2], status[1].lower(), status[2]
