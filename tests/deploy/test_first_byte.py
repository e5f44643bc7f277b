"""The command that measures what a proxy adds until the first byte."""

from pathlib import Path

import uvloop

from tests.deploy import first_byte
from tests.support.services import ensure

WINDOWS = 12
"""So often a machine that is not ours alone may try. A proxy that holds back what it has is late in each."""


def test_what_is_committed_is_at_the_client_within_20_ms_through_each_proxy(tmp_path: Path) -> None:
    """95 of 100 first bytes. None of them waits for more, or for the end."""
    ensure(*first_byte.PROXIES)
    found = uvloop.run(first_byte.run(tmp_path, tuple(first_byte.PROXIES), count=40, per_s=100.0, windows=WINDOWS))
    assert list(found) == ["direct", *first_byte.PROXIES]
    for name, took in found.items():
        assert len(took) == 40
        assert first_byte.p95_s(took) <= first_byte.WITHIN_S, name
    assert first_byte.table(found).count("\n") == 5
