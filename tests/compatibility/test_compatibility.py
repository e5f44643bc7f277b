"""What the trials say of a client, and the page that they write. `make clients` runs the trials themselves."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

import pytest

from tests.compatibility import __main__ as command
from tests.compatibility import trial
from tests.compatibility.publishing import COUNT, on_publishing
from tests.compatibility.rows import Row
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
        (Seen(FIRST, 9, False, is_live=True), "comes back, some lost"),
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
    table, publishers = (
        f"{head}{page.partition(command.BEGIN + head)[2].partition(command.END)[0]}"
        for head in (command.HEAD, command.PUBLISHERS_HEAD)
    )
    manifest = json.loads((HERE / "node/package.json").read_text(encoding="utf-8"))
    required = re.findall(r"^([\w-]+)==", (HERE / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    names = [f"npm {name}" for name in manifest["dependencies"]] + [f"Python {name}" for name in required]
    go = (HERE / "go/go.mod").read_text(encoding="utf-8")
    libraries = re.findall(r"^\tgithub\.com/([\w-]+/[\w-]+)(?:/v2)? v[^/]*$", go, re.MULTILINE)
    names += [f"Go {name}" for name in libraries if name != "rabbitmq/amqp091-go"]
    names += ["npm reconnecting-eventsource, `onmessage` alone", "npm @microsoft/fetch-event-source, its first example"]
    assert len(names) >= 20
    for name in [*names, "Java HttpClient", "Java okhttp-eventsource", "Go net/http"]:
        assert f"| {name} | " in table
    for name in ["Java Spring RabbitTemplate", "Go amqp091-go"]:
        assert f"| {name} | each once, in order | " in publishers
    assert "never came" not in table
    assert {line.count(" | ") for line in table.splitlines() if not line.startswith("|---")} == {6}


@pytest.mark.deadline(120)
async def test_what_is_full_refuses_each_client_which_comes_back_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trial behind the column "busy", with a client that the tests have anyway."""
    monkeypatch.setattr(trial, "REFUSED_S", 0)
    row = Row("Python httpx-sse", [sys.executable, HERE / "listen.py", "httpx-sse"], "")
    [seen] = await trial.try_all([row], tmp_path, trial.busy)
    assert on_coming_back(seen) == "comes back"
    assert seen.asked >= 2, "refused at first"


@pytest.mark.parametrize(
    ("numbers", "verdict"),
    [
        (range(COUNT), "each once, in order"),
        ([], "never came"),
        (range(1, COUNT), "some lost"),
        ([*range(COUNT), 3], "some twice"),
        (reversed(range(COUNT)), "out of order"),
    ],
)
def test_a_publisher_is_good_when_each_arrived_once_and_in_order(numbers: Iterable[int], verdict: str) -> None:
    assert on_publishing(list(numbers)) == verdict


def test_each_table_is_put_where_it_stood(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "clients.md"
    heads = (command.HEAD, command.PUBLISHERS_HEAD)
    old = [f"{command.BEGIN}{head}| old | 1 |\n{command.END}" for head in heads]
    page.write_text(f"before\n{old[0]}between\n{old[1]}after\n", encoding="utf-8")
    monkeypatch.setattr(command, "PAGE", page)
    command.write(f"{heads[1]}| new | 2 |\n")
    new = f"{command.BEGIN}{heads[1]}| new | 2 |\n{command.END}"
    assert page.read_text(encoding="utf-8") == f"before\n{old[0]}between\n{new}after\n"


def test_the_rows_of_a_few_take_the_place_of_the_ones_that_they_name() -> None:
    old = "| Java a | 1 |\n| Go b | 1 |\n| Go c | 1 |\n| npm d | 1 |\n"
    new = "| Go b | 2 |\n| Go e | 2 |\n| Ruby f | 2 |\n"
    expected = "| Java a | 1 |\n| Go b | 2 |\n| Go c | 1 |\n| Go e | 2 |\n| npm d | 1 |\n| Ruby f | 2 |\n"
    assert command.merged(old, new) == expected
