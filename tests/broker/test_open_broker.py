"""Which broker a URL means."""

import pytest

from notify_sse.broker import diagnose, open_broker
from notify_sse.errors import BadConfiguration


@pytest.mark.parametrize("url", ["", "redis://h", "localhost:5672", "http://localhost"])
async def test_a_url_that_is_no_broker_is_refused(url: str) -> None:
    """In one line that names the setting, whoever asks."""
    for asked in (open_broker, diagnose):
        with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_BROKER_URL: [^\n]+$"):
            asked(url)


async def test_the_embedded_broker_has_nothing_to_find() -> None:
    assert [(one.check, one.status) async for one in diagnose("memory://")] == [("broker", "ok")]
