"""A second listener of a running RabbitMQ, for AMQP over TLS. It is gone when the node is started again."""

from pathlib import Path

import pytest

from tests.support.services import RabbitServer, free_port
from tests.support.services.rabbitmq import InstalledRabbit

START = """
{{ok, _}} = application:ensure_all_started(ssl),
rabbit_networking:start_ssl_listener({{"127.0.0.1", {port}, auto}}, [
    {{cacertfile, "{ca}"}}, {{certfile, "{certificate}"}}, {{keyfile, "{key}"}},
    {{verify, verify_peer}}, {{fail_if_no_peer_cert, {demands}}}], 2).
"""


def encrypt(server: RabbitServer, ca: Path, pair: tuple[Path, Path], *, demands: bool = False) -> int:
    """The port of a new listener that shows the certificate and key of `pair`, and trusts clients of `ca`; with
    `demands`, only those.
    """
    if not isinstance(server, InstalledRabbit):
        pytest.skip("RabbitMQ runs in a container here: it cannot read certificates of this machine")
    port = free_port()
    certificate, key = pair
    program = START.format(port=port, ca=ca, certificate=certificate, key=key, demands=str(demands).lower())
    server.ctl("eval", " ".join(program.split()))
    return port
