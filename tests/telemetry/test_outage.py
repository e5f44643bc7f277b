"""An outage is told once, whoever notices, and its end once."""

import logging

import pytest

from notify_sse.telemetry.outage import LOG_HEAD, Outage


def test_several_parts_are_one_outage(caplog: pytest.LogCaptureFixture) -> None:
    """However often each fails; it is over when the last of them is back."""
    caplog.set_level(logging.INFO, logger="notify_sse")
    outage = Outage("the store")
    outage.back("relay")
    for _ in range(3):
        outage.lost("relay", "refused")
        outage.lost("append", "refused")
    outage.back("append")
    outage.back("append")
    assert [vars(record)["action"] for record in caplog.records] == ["away"]
    outage.back("relay")
    assert [vars(record)["action"] for record in caplog.records] == ["away", "back"]
    assert caplog.records[0].getMessage() == "the store is away; trying again until it is back"


def test_advice_is_given_once_an_outage(caplog: pytest.LogCaptureFixture) -> None:
    """As soon as it is known, by whichever part."""
    outage = Outage("the store")
    for _ in range(2):
        outage.lost("relay", "no answer")
        outage.lost("append", "no such database", advice="create it")
        outage.lost("relay", "no such database", advice="create it")
        assert [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR] == ["create it"]
        outage.back("relay")
        outage.back("append")
        caplog.clear()


def test_it_knows_which_part_has_reached_it_and_which_cannot() -> None:
    """A store that takes no writes can be read all the same; one that was never reached is not said to be away."""
    outage = Outage("the store")
    assert not outage.reached(LOG_HEAD)
    assert not outage.away(LOG_HEAD)
    outage.lost("append", "read only")
    outage.back(LOG_HEAD)
    assert outage.reached(LOG_HEAD)
    assert not outage.away(LOG_HEAD)
    assert outage.away("append")
    outage.lost(LOG_HEAD, "refused")
    assert outage.reached(LOG_HEAD)
    assert outage.away(LOG_HEAD)
    outage.back(LOG_HEAD)
    assert not outage.away(LOG_HEAD)
