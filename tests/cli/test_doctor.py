"""`notify-sse doctor` ends as severely as what it found; and the runbook can rely on that."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from click.testing import CliRunner

from notify_sse.cli import program, stages
from notify_sse.cli.commands import doctor
from notify_sse.core.ports import Finding
from notify_sse.telemetry.metrics import Metrics

OK = Finding("keys", "ok", "fine")
WARNING = Finding("queue", "warning", "nobody reads it", "start one")
ERROR = Finding("database", "error", "is away", "look whether it runs")


@pytest.mark.parametrize(
    ("found", "code", "strictly"),
    [
        ((OK,), 0, 0),
        ((OK, WARNING), 0, 1),
        ((OK, ERROR), 1, 1),
        ((ERROR, WARNING, OK), 1, 1),
        ((), 0, 0),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_the_exit_code_is_that_of_the_worst(
    monkeypatch: pytest.MonkeyPatch, found: tuple[Finding, ...], code: int, strictly: int, as_json: bool
) -> None:
    """A warning counts with `--strict` only, as before a deploy; every finding is there, with its advice."""

    async def findings(*_: Any, **__: Any) -> AsyncIterator[Finding]:
        for one in found:
            yield one

    monkeypatch.setattr(doctor, "findings", findings)
    monkeypatch.setattr("logging.disable", lambda: None)  # of this process, which goes on
    for strict, expected in ((False, code), (True, strictly)):
        ended = CliRunner().invoke(program, ["doctor"] + ["--strict"] * strict + ["--json"] * as_json)
        assert ended.exit_code == expected, ended.output
        if as_json:
            assert [one["check"] for one in json.loads(ended.stdout)] == ["settings", *(one.check for one in found)]
        else:
            assert all(one.detail in ended.stdout and one.advice in ended.stdout for one in found)


@pytest.mark.parametrize(
    ("committed_s", "published_s", "append_s", "status", "told"),
    [
        (0.004, 0.02, 0.002, "ok", ("5 ms of the commit", "25 ms of being published", "commits took within 2.5 ms")),
        (0.3, 7.0, 0.2, "warning", ("500 ms of the commit", "10000 ms of being published", "within 250 ms")),
        (900.0, 900.0, 0.2, "warning", ("later than is measured of the commit",)),
    ],
)
def test_doctor_tells_how_fast_each_stage_is(
    committed_s: float, published_s: float, append_s: float, status: str, told: tuple[str, ...]
) -> None:
    """Of 95 in 100: one that was late is no reason to say that all are. Nothing before the first delivery."""
    measured = Metrics()
    assert list(stages.delivery(b"".join(measured.render("")[0]).decode())) == []
    measured.since_committed.note(committed_s, 99)
    measured.since_committed.note(40.0)
    measured.since_published.note(published_s, 100)
    measured.append_seconds.note(append_s, 50)
    [found] = stages.delivery(b"".join(measured.render("")[0]).decode())
    assert (found.check, found.status, bool(found.advice)) == ("delivery", status, status != "ok")
    assert all(part in found.detail for part in told), found.detail
