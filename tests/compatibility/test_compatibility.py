"""What the trials say of a client, and the page that they write. `make clients` runs the trials themselves."""

import json
import re
from pathlib import Path

import pytest

from tests.compatibility import __main__ as command
from tests.compatibility.trial import BATCH, Seen
from tests.compatibility.verdicts import MANY, on_coming_back, on_refusal

HERE = Path(__file__).parent
ALL = list(range(2 * BATCH))
FIRST = ALL[:BATCH]


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(ALL, 1, False), "comes back"),
        (Seen(ALL, MANY + 1, False), "a busy loop, then comes back"),
        (Seen([], 9, False), "never came"),
        (Seen(FIRST, 0, True), "ends for good"),
        (Seen(FIRST, 1, False), "ends for good"),
        (Seen(FIRST, 9, False), "does not come back in time"),
        (Seen([*FIRST, *ALL[BATCH + 1 :]], 1, False), "comes back, some lost"),
        (Seen([*ALL[:-1], 0], 1, False), "comes back, some twice"),
        (Seen([*FIRST, *reversed(ALL[BATCH:])], 1, False), "comes back, some lost"),
    ],
)
def test_a_client_comes_back_only_when_it_has_everything_once_and_in_order(seen: Seen, verdict: str) -> None:
    assert on_coming_back(seen) == verdict


@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        (Seen(FIRST, 1, False), "ends for good"),
        (Seen(FIRST, 3, True), "ends for good"),
        (Seen(FIRST, 5, False), "tries for ever"),
        (Seen(FIRST, MANY + 1, False), "a busy loop"),
    ],
)
def test_a_client_that_is_refused_ends_or_goes_on_asking(seen: Seen, verdict: str) -> None:
    assert on_refusal(seen) == verdict


def test_the_table_has_a_row_for_every_client_that_is_installed_and_each_was_tried() -> None:
    page = command.PAGE.read_text(encoding="utf-8")
    table = page.partition(command.BEGIN)[2].partition(command.END)[0]
    manifest = json.loads((HERE / "node/package.json").read_text(encoding="utf-8"))
    required = re.findall(r"^([\w-]+)==", (HERE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    names = [f"npm {name}" for name in manifest["dependencies"]] + [f"Python {name}" for name in required]
    assert len(names) >= 12
    assert table.startswith(command.HEAD)
    for name in [*names, "Java HttpClient", "Go net/http"]:
        assert f"| {name} | " in table
    assert "never came" not in table


def test_the_table_is_put_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "clients.md"
    page.write_text(f"before\n{command.BEGIN}old\n{command.END}after\n", encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    command.write("| new |\n")
    command.write("| newer |\n")
    assert page.read_text(encoding="utf-8") == f"before\n{command.BEGIN}| newer |\n{command.END}after\n"
