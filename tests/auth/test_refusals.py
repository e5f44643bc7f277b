"""Refused tokens: each is counted by its reason, and logged at a bounded rate."""

import logging

import pytest

from notify_sse.auth.refusals import Refusals
from notify_sse.errors import TokenRefused
from notify_sse.telemetry.bounded import EVERY_S


def test_each_refusal_is_counted_and_few_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    """The first of each reason at once; then one record in `EVERY_S`, with how many there were."""
    caplog.set_level(logging.INFO)
    now = 0.0
    counted: list[str] = []
    refusals = Refusals(counted.append, clock=lambda: now)
    for _ in range(1000):
        refusals.note(TokenRefused("expired", "expired"))
    refusals.note(TokenRefused("signature", "the signature is not by our key"))
    now = EVERY_S
    refusals.note(TokenRefused("expired", "expired"))
    assert counted.count("expired") == 1001
    said = [(record.levelname, vars(record)["reason"], vars(record)["refused"]) for record in caplog.records]
    assert said == [("INFO", "expired", 1), ("INFO", "signature", 1), ("INFO", "expired", 1000)]
