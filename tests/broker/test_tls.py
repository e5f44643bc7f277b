"""AMQP over TLS, at the private RabbitMQ, with an authority that nobody else knows."""

from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from notify_sse.broker import diagnose
from notify_sse.broker.rabbitmq import link
from notify_sse.broker.rabbitmq.tls import NOT_TRUSTED
from notify_sse.core.ports import Listener
from tests.broker.brokers import message, running
from tests.broker.rabbitmq import Open
from tests.support.certificate import Authority
from tests.support.encrypted import encrypt
from tests.support.polling import until
from tests.support.services import RabbitServer


class Encrypted(NamedTuple):
    """Two listeners: for everybody, and for those with a certificate of `authority`."""

    authority: Authority
    port: int
    demanding_port: int


@pytest.fixture(scope="module")
def encrypted(_rabbitmq: RabbitServer, tmp_path_factory: pytest.TempPathFactory) -> Encrypted:
    authority = Authority(tmp_path_factory.mktemp("certificates"))
    pair = authority.issue("broker", hosts=("127.0.0.1",))
    ports = [encrypt(_rabbitmq, authority.ca, pair, demands=demands) for demands in (False, True)]
    return Encrypted(authority, *ports)


async def test_messages_go_through_a_listener_that_checks_both_sides(encrypted: Encrypted, open_broker: Open) -> None:
    """And one that asks for no certificate. What a listener demands and does not get is no connection."""
    ca = encrypted.authority.ca
    certificate, key = encrypted.authority.issue("push")
    mine = f"certfile={certificate}&keyfile={key}"
    for port, query in (
        (encrypted.port, f"cacertfile={ca}"),
        (encrypted.port, "verify=verify_none"),
        (encrypted.demanding_port, f"cacertfile={ca}&{mine}&verify=verify_peer"),
    ):
        broker = open_broker(f"amqps://guest:guest@127.0.0.1:{port}?{query}")
        async with running(broker, consumes=True, acks=True) as process:
            await broker.publish(message(query))
            assert (await process.takes(1))[0].body == query.encode()
    without = f"amqps://guest:guest@127.0.0.1:{encrypted.demanding_port}?cacertfile={ca}"
    found = [one async for one in diagnose(without)]
    assert [(one.check, one.status) for one in found] == [("broker", "error")]


async def test_a_certificate_that_is_not_trusted_is_named_as_the_cause(
    encrypted: Encrypted,
    open_broker: Open,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Of an authority that is not named, of another one, or for another name: by `doctor`, and once by the service."""
    # No second attempt: uvloop tells of a handshake that fails in the moment in which its connection is given up.
    monkeypatch.setattr(link, "FIRST_RETRY_S", 60.0)
    other = Authority(tmp_path / "other").ca
    for place in (
        f"127.0.0.1:{encrypted.port}",
        f"127.0.0.1:{encrypted.port}/?cacertfile={other}",
        f"localhost:{encrypted.port}/?cacertfile={encrypted.authority.ca}",
    ):
        url = f"amqps://guest:guest@{place}"
        (finding,) = [one async for one in diagnose(url)]
        assert (finding.status, finding.advice) == ("error", NOT_TRUSTED)
        assert "CERTIFICATE_VERIFY_FAILED" in finding.detail
        assert "\n" not in finding.detail
        caplog.clear()
        broker = open_broker(url)
        await broker.start(Listener(on_connected=lambda: None, on_delivery=lambda _: None))
        try:
            for one in (broker._consuming, broker._publishing):
                await until(partial(getattr, one, "_loss"), within_s=30)
        finally:
            await broker.close()
    assert len([one for one in caplog.records if NOT_TRUSTED in one.getMessage()]) == 1
