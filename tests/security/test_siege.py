"""The short form of `python -m tests.security.siege`."""

import sys

import pytest

from tests.security.siege import besiege
from tests.support.service import ServiceFactory


@pytest.mark.deadline(120)
async def test_healthy_streams_lose_nothing_in_a_short_siege(
    service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str
) -> None:
    """How long they wait, and what memory is left, is for the long form, on a machine of its own."""
    running = service(broker_url=broker_url, database_url=database_url, amqp_prefix=amqp_prefix)
    siege = await besiege(running, seconds=4, streams=40, rate=40, rest_s=20)
    assert siege.wrong == ()
    assert siege.dropped == 0
    assert siege.errors == ()
    assert siege.received == siege.published > 0


async def test_a_siege_whose_attackers_have_ended_says_so(
    service: ServiceFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would show nothing, and look like a success."""
    running = service()
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(RuntimeError, match="the attackers have ended"):
        await besiege(running, seconds=3, streams=4, rate=20, rest_s=5)
