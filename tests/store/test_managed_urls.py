"""The URLs of docs/how-to/postgres.md, as managed offerings give them: where they lead, as whom, and how encrypted."""

import re
import ssl
from pathlib import Path
from typing import Any

import pytest
from asyncpg import connect_utils

from notify_sse.config import read_settings
from notify_sse.config.database_url import hosts_of
from notify_sse.store.postgres import hosts
from notify_sse.store.postgres.pool import connect
from tests.support.certificate import Authority
from tests.support.pages import DOCS

PASSWORD = "p@ss/w:ord?&=,%20é"
ENCODED = "p%40ss%2Fw%3Aord%3F%26%3D%2C%2520%C3%A9"
SHOWN = re.findall(
    r"^\| [^|]+ \| `(postgresql://[^`]+)`(?:.*`(postgresql://[^`]+)`)?",
    (DOCS / "how-to/postgres.md").read_text(),
    re.MULTILINE,
)
URLS = [url for row in SHOWN for url in row if url]


class _Asked(OSError):
    """What a connection was asked for."""

    def __init__(self, addr: Any, params: Any) -> None:
        super().__init__("not in a test")
        self.addr, self.params = addr, params


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[_Asked]:
    """Every attempt to connect."""
    made: list[_Asked] = []

    async def connect_addr(*, addr: Any, params: Any, **_: Any) -> None:
        made.append(_Asked(addr, params))
        raise made[-1]

    monkeypatch.setattr(connect_utils, "_connect_addr", connect_addr)
    monkeypatch.setattr(hosts, "STAGGER_S", 0.01)
    return made


async def _asks(url: str, asked: list[_Asked]) -> _Asked:
    with pytest.raises(_Asked):
        await connect(url, settings={"jit": "off"}, command_timeout_s=None)
    return asked[0]


def test_there_are_forms_on_the_page() -> None:
    assert len(URLS) >= 8


@pytest.mark.parametrize("shown", URLS)
async def test_a_managed_offering_gets_what_its_url_says(shown: str, asked: list[_Asked], tmp_path: Path) -> None:
    """A password with every special character, percent-encoded; and no option that the server would refuse."""
    ca = Authority(tmp_path).ca
    url = re.sub(r"sslrootcert=[^&]+", f"sslrootcert={ca}", shown.replace("…", ENCODED))
    read_settings({"NOTIFY_SSE_DATABASE_URL": url, "NOTIFY_SSE_JWT_SECRET": "0123456789abcdef" * 2})
    made = await _asks(url, asked)
    params = made.params
    where = made.addr if isinstance(made.addr, str) else made.addr[0]
    (host,) = hosts_of(url)
    assert where.startswith(host)
    if not isinstance(made.addr, str):
        assert made.addr[1] == int((re.search(r"@[^/?]+:(\d+)/", url) or ["", "5432"])[1])
    assert params.password == PASSWORD
    assert params.user == re.sub("%40", "@", re.findall(r"//([^:]+):", url)[0])
    assert params.database == re.findall(r"(?<=[^/])/([a-z]+)(?:\?|$)", url)[0]
    assert set(params.server_settings) == {"jit", "application_name"}
    if "sslmode=" in url:
        assert params.ssl.verify_mode == (ssl.CERT_REQUIRED if "verify-full" in url else ssl.CERT_NONE)
        assert params.ssl.check_hostname is ("verify-full" in url)


@pytest.mark.parametrize(
    ("query", "sent"),
    [
        ("options=-c%20search_path%3Dpush", {"options": "-c search_path=push"}),
        ("search_path=push", {"search_path": "push"}),
        ("connect_timeout=10&keepalives=1&keepalives_idle=5&tcp_user_timeout=3&sslsni=1&gssencmode=disable", {}),
        ("channel_binding=require&load_balance_hosts=disable&fallback_application_name=x&min_size=1&max_size=2", {}),
        ("application_name=mine", {"application_name": "mine"}),
    ],
)
async def test_an_option_goes_to_the_server_if_it_is_for_it(
    query: str, sent: dict[str, str], asked: list[_Asked]
) -> None:
    made = await _asks(f"postgresql://u:p@h/db?{query}", asked)
    expected = {"jit": "off", "application_name": "notify-sse"} | sent
    assert made.params.server_settings == expected


async def test_several_hosts_are_asked_in_their_order(asked: list[_Asked]) -> None:
    await _asks("postgresql://u:p@h1:1,h2,[::3]:3/db?target_session_attrs=read-write", asked)
    assert [one.addr for one in asked] == [("h1", 1), ("h2", 5432), ("::3", 3)]
