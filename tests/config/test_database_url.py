"""Every URL of Postgres that asyncpg takes is taken, and what it names is read as asyncpg reads it."""

import pytest

from notify_sse.config.database_url import each_host, hosts_of


@pytest.mark.parametrize(
    ("url", "hosts"),
    [
        ("postgresql://u:p@h1:5432,h2:5433/db?target_session_attrs=primary", ["h1", "h2"]),
        ("postgresql://u:p@h1,h2/db", ["h1", "h2"]),
        ("postgresql://u@/db?host=/var/run/postgresql", ["/var/run/postgresql"]),
        ("postgresql:///db?host=/var/run/postgresql&port=5433", ["/var/run/postgresql"]),
        ("postgresql:///db?host=h1,h2&port=5432,5433", ["h1", "h2"]),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/db", ["/var/run/postgresql"]),
        ("postgres://u:p%40@[::1]:5433,[::2]/db", ["::1", "::2"]),
        ("postgresql://u:a@b@h/db", ["h"]),
        ("postgresql:///db", []),
    ],
)
def test_the_hosts_of_a_url(url: str, hosts: list[str]) -> None:
    assert hosts_of(url) == hosts


@pytest.mark.parametrize(
    "url", ["postgresql://u:a/b@h/d", "postgresql://h:x/d", "postgresql://h:99999/d", "postgresql://[::1/d"]
)
def test_one_that_cannot_be_read_is_told_without_its_text(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(a port|an address)"):
        hosts_of(url)


@pytest.mark.parametrize(
    ("url", "each"),
    [
        ("postgresql://u:p@h1:1,h2/db?a=b", ["postgresql://u:p@h1:1/db?a=b", "postgresql://u:p@h2/db?a=b"]),
        ("postgresql://h1,[::1]:5", ["postgresql://h1", "postgresql://[::1]:5"]),
        ("postgres://u@h/db", ["postgres://u@h/db"]),
        ("postgresql:///db?host=h1,h2&port=5", [f"postgresql:///db?host={h}&port=5" for h in ("h1", "h2")]),
        ("postgresql:///db?host=h1,h2&port=5,6", [f"postgresql:///db?host={h}" for h in ("h1&port=5", "h2&port=6")]),
        ("postgresql:///db?host=h1,h2", [f"postgresql:///db?host={h}" for h in ("h1", "h2")]),
        ("postgresql:///db?host=h1,h2&port=5,6,7", ["postgresql:///db?host=h1,h2&port=5,6,7"]),
        ("postgresql:///db", ["postgresql:///db"]),
    ],
)
def test_a_url_for_each_host(url: str, each: list[str]) -> None:
    assert each_host(url) == each
