"""What `doctor` tells of the gateways that were heard of, on both databases."""

import asyncio
import time
from pathlib import Path

import pytest

from notify_sse.core.journal import Beat, Entries, Gateway
from notify_sse.core.trace import HEARD_OF_S
from notify_sse.store import diagnose, open_journal
from notify_sse.store.diagnosis import gateway_findings
from tests.store.subject import Subject


def gateway(
    name: str, *, version: str = "1", age_s: float = 0, stopped: bool = False, lost: int = 0, streams: int = 3
) -> Gateway:
    beat = Beat(
        gateway=name, version=version, epoch="e", position=1, stopped=stopped, lost=lost, streams=streams, lag=streams
    )
    return Gateway(beat=beat, began_ms=0, beat_ms=0, age_s=age_s)


def test_the_gateways_that_are_up_are_counted_with_their_versions() -> None:
    [found] = gateway_findings([gateway("a"), gateway("b", streams=4), gateway("c", stopped=True, age_s=90)])
    assert (found.check, found.status) == ("gateways", "ok")
    assert found.detail == "2 up, 1; 7 streams; at most 4 events behind the log"
    [found] = gateway_findings([gateway("a"), gateway("b", version="2")])
    assert (found.status, "1, 2" in found.detail, found.advice != "") == ("warning", True, True)


def test_whoever_fell_silent_or_lost_entries_is_told_of() -> None:
    """But not who ended in order; and where nobody keeps a journal, nothing is said."""
    found = {one.check: one for one in gateway_findings([gateway("a", lost=2), gateway("dead", age_s=90)])}
    assert {name: one.status for name, one in found.items()} == {
        "gateways": "ok",
        "silent": "warning",
        "journal": "warning",
    }
    assert "dead (90 s ago)" in found["silent"].detail
    assert found["journal"].detail.startswith("2 entries")
    assert gateway_findings([]) == []


@pytest.mark.parametrize(("ago_s", "told"), [(HEARD_OF_S - 60, True), (HEARD_OF_S + 60, False)])
async def test_whoever_was_killed_is_told_of_for_ten_minutes(
    sqlite_url: str, ago_s: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning that stays for longer would hide the next one, and fail `doctor --strict` behind each replaced host."""
    async with Subject(sqlite_url).opened():
        journal = open_journal(sqlite_url)
        await journal.write(Entries(beat=gateway("killed").beat))
        await journal.close()
        later = time.time() + ago_s
        monkeypatch.setattr(time, "time", lambda: later)
        found = {one.check async for one in diagnose(sqlite_url)}
    assert ({"gateways", "silent"} & found == set()) is not told


@pytest.mark.parametrize("kind", ["sqlite_url", "database_url"])
async def test_both_databases_tell_gateways_and_sizes(kind: str, request: pytest.FixtureRequest) -> None:
    """And nothing is made where there is nothing."""
    url = request.getfixturevalue(kind)
    before = {one.check: one async for one in diagnose(url)}
    assert not {"size", "gateways"} & before.keys()
    assert kind == "database_url" or not await asyncio.to_thread(Path(url.removeprefix("sqlite:///")).exists)
    async with Subject(url).opened():
        journal = open_journal(url)
        await journal.write(Entries(beat=gateway("a").beat))
        await journal.close()
        found = {one.check: one async for one in diagnose(url)}
    assert found["gateways"].detail.startswith("1 up, 1; 3 streams")
    assert "MiB" in found["size"].detail
