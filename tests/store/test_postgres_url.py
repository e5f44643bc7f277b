"""A URL of Postgres that cannot be used: the true cause in one line, and no part of a password."""

import socket

import pytest

from notify_sse.errors import BadConfiguration
from notify_sse.store.postgres import pool
from notify_sse.store.postgres.pool import connect

URL = "postgresql://u:canary@127.0.0.1:1/d"


@pytest.mark.parametrize(
    ("url", "cause"),
    [
        (f"{URL}?sslmode=verify-full", r"root certificate file .*root\.crt"),
        (f"{URL}?sslmode=verify-ca", r"root certificate file .*root\.crt"),
        (f"{URL}?sslmode=verify-full&sslrootcert=/nope/ca.crt", r"sslrootcert names a file .*/nope/ca\.crt"),
        (f"{URL}?sslmode=require&sslcert=/nope/me.crt", r"sslcert names a file .*/nope/me\.crt"),
        (f"{URL}?sslmode=sometimes", "`sslmode` parameter must be one of"),
        (URL.replace(":1/", ":canary/"), "is not a URL of Postgres .*percent-encoded"),
    ],
)
async def test_a_url_that_cannot_be_used_is_refused_with_its_cause(
    url: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/nonexistent")
    with pytest.raises(BadConfiguration, match=rf"^NOTIFY_SSE_DATABASE_URL: {cause}") as caught:
        await connect(url, settings={}, command_timeout_s=None)
    assert "\n" not in str(caught.value)
    assert "canary" not in str(caught.value)


def test_a_system_without_an_option_of_sockets_is_good_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """macOS has other names, some containers allow less: a cut is noticed later there, and the start goes on."""
    monkeypatch.delattr(socket, "TCP_USER_TIMEOUT")
    told: list[int] = []

    class Refusing:
        family = socket.AF_INET

        def setsockopt(self, level: int, option: int, _: int) -> None:
            told.append(option)
            if level == socket.IPPROTO_TCP:
                raise OSError(92, "Protocol not available")

    pool._watch(Refusing())
    assert told[0] == socket.SO_KEEPALIVE
    assert len(told) == 4
