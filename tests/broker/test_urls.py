"""The URLs of docs/how-to/rabbitmq.md, as managed offerings give them, and what they say of TLS. No server is asked."""

import re
import ssl
from pathlib import Path

import aiormq
import pytest

from notify_sse.broker import open_broker
from notify_sse.broker.rabbitmq import members
from notify_sse.broker.rabbitmq.tls import as_aiormq_takes_it, context_of
from notify_sse.config import read_settings
from notify_sse.errors import BadConfiguration
from tests.support.certificate import Authority
from tests.support.pages import DOCS

SHOWN = re.findall(
    r"^\| [^|]+ \| `(amqps?://[^`]+)` \| `([^`]+)`", (DOCS / "how-to/rabbitmq.md").read_text(), re.MULTILINE
)


def test_there_are_forms_on_the_page() -> None:
    assert len(SHOWN) >= 4


@pytest.mark.parametrize(("shown", "vhost"), SHOWN)
async def test_a_managed_offering_gets_what_its_url_says(shown: str, vhost: str) -> None:
    url = shown.replace("…", "p%40ss%2Fw%3Aord")
    read_settings({"NOTIFY_SSE_BROKER_URL": url, "NOTIFY_SSE_JWT_SECRET": "0123456789abcdef" * 2})
    connection = aiormq.Connection(as_aiormq_takes_it(url))
    assert connection.url.password == "p@ss/w:ord"
    assert connection.vhost == vhost == members.vhost_of(url)
    assert connection.url.port == (5671 if url.startswith("amqps") else 5672)
    assert connection.ssl_certs.verify


async def test_rabbitmqs_own_words_for_tls_are_taken(tmp_path: Path) -> None:
    """And aiormq's, which were all there was. `verify_none` is for those who write it."""
    authority = Authority(tmp_path)
    certificate, key = authority.issue("push")
    url = f"amqps://u:p@mq/v?cacertfile={authority.ca}&certfile={certificate}&keyfile={key}"
    for theirs in (f"{url}&verify=verify_peer", url.replace("cacertfile", "cafile")):
        certs = aiormq.Connection(as_aiormq_takes_it(theirs)).ssl_certs
        assert (certs.cafile, certs.cert, certs.key, certs.verify) == (
            str(authority.ca),
            str(certificate),
            str(key),
            True,
        )
        context = context_of(theirs)
        assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
        assert len(context.get_ca_certs()) == 1
    assert not aiormq.Connection(as_aiormq_takes_it(f"{url}&verify=verify_none")).ssl_certs.verify
    assert context_of(f"{url}&verify=verify_none").verify_mode == ssl.CERT_NONE


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("cacertfile=/nope/ca.pem", r"cacertfile names a file that cannot be read \(/nope/ca\.pem\)"),
        ("keyfile=/nope/me.key", r"keyfile names a file that cannot be read"),
        ("cacertfile={key}", r"cacertfile names a file without a certificate"),
        ("verify=sometimes", "verify is verify_peer or verify_none"),
    ],
)
async def test_what_cannot_be_used_stops_the_start_in_one_line(query: str, said: str, tmp_path: Path) -> None:
    _, key = Authority(tmp_path).issue("push")
    with pytest.raises(BadConfiguration, match=f"^NOTIFY_SSE_BROKER_URL: {said}") as caught:
        open_broker(f"amqps://u:canary@mq/?{query.format(key=key)}")
    assert "canary" not in str(caught.value)
