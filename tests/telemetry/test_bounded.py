"""Records that anyone can cause stay few, and say how many there were."""

import logging

import pytest

from notify_sse.telemetry.bounded import EVERY_S, MAX_KINDS, BoundedLogger

logger = logging.getLogger("test.bounded")


def test_the_first_of_each_kind_is_logged_at_once_and_then_one_in_a_while(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    now = 0.0
    log = BoundedLogger(logger, "refused", action="refuse", clock=lambda: now)
    for _ in range(1000):
        log.note("a", route="/x")
    log.note("b")
    now = EVERY_S
    log.note("a", route="/y")
    assert [(record.levelname, vars(record)["refused"]) for record in caplog.records] == [
        ("INFO", 1),
        ("INFO", 1),
        ("INFO", 1000),
    ]
    assert vars(caplog.records[2])["route"] == "/y"


def test_kinds_without_end_share_one(caplog: pytest.LogCaptureFixture) -> None:
    """A kind may be made of what a client sent."""
    caplog.set_level(logging.INFO)
    log = BoundedLogger(logger, "refused", action="refuse", clock=lambda: 0.0)
    for number in range(3 * MAX_KINDS):
        log.note(str(number))
    assert len(caplog.records) <= MAX_KINDS + 1
