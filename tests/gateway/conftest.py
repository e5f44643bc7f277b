"""The relay's clock, for tests that wait for its comparisons."""

import pytest

from notify_sse.gateway import relay


@pytest.fixture
def _quick_relay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison each 20 ms in place of a second; and streams after 20 ms at the latest."""
    monkeypatch.setattr(relay, "COMPARE_S", 0.02)
    monkeypatch.setattr(relay, "SERVE_AFTER_S", 0.02)
    monkeypatch.setattr(relay, "GRACE_S", 0.002)


@pytest.fixture
def never_by_itself(_quick_relay: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """No comparison unless something asks for it."""
    monkeypatch.setattr(relay, "COMPARE_S", 3600.0)
