"""The command that measures what a proxy adds until the first byte."""

from pathlib import Path

import uvloop

from tests.deploy import first_byte
from tests.support.services import ensure

BUSY_S = 1.0
"""What a busy machine may take; a proxy that holds back what it has takes longer, or for ever."""


def test_what_is_committed_is_at_the_client_at_once_through_each_proxy(tmp_path: Path) -> None:
    """None of them waits for more, or for the end: half of the first bytes are there before a second has passed."""
    ensure(*first_byte.PROXIES)
    found = uvloop.run(first_byte.run(tmp_path, tuple(first_byte.PROXIES), count=20, per_s=100.0))
    assert list(found) == ["direct", *first_byte.PROXIES]
    for name, took in found.items():
        assert len(took) == 20
        assert sorted(one.since_committed for one in took)[10] < BUSY_S, name
    assert first_byte.table(found).count("\n") == 5
