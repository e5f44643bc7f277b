"""What a person is told to do about a lost connection."""

import pytest
from aiormq import ChannelPreconditionFailed

from notify_sse.broker.rabbitmq.link import advice_on


@pytest.mark.parametrize(
    ("said", "advised"),
    [
        (
            "PRECONDITION_FAILED - inequivalent arg 'x-delivery-limit' for queue 'notifications.ingest' in vhost '/'",
            "delete it when it is empty",
        ),
        (
            "PRECONDITION_FAILED - delivery acknowledgement on channel 2 timed out. Timeout value used: 1800000 ms",
            "nothing has to be deleted",
        ),
    ],
)
def test_a_406_is_advised_on_by_where_it_was_raised(said: str, advised: str) -> None:
    """The same code for a declaration and for a delivery kept too long; a queue with messages is not to be deleted."""
    assert advised in advice_on(ChannelPreconditionFailed(said))


def test_what_heals_by_itself_asks_nobody() -> None:
    assert advice_on(ConnectionResetError()) == ""
