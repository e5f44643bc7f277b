"""What `doctor` tells of RabbitMQ: what the user lacks of all that the service does there. It leaves nothing behind."""

import asyncio
import http.server
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import aiormq
import pytest
from yarl import URL

from notify_sse.broker import diagnose
from notify_sse.broker.rabbitmq import management
from notify_sse.core.ports import Finding
from tests.broker.brokers import running
from tests.broker.rabbitmq import Open
from tests.support.services import RabbitServer

USER = "doctors"


@pytest.fixture
def user_url(server: RabbitServer) -> Iterator[str]:
    """Of a user without any permission."""
    server.ctl("add_user", USER, "secret")
    yield server.url.replace("guest:guest", f"{USER}:secret")
    server.ctl("delete_user", USER)


async def told(url: str, prefix: str) -> dict[str, Finding]:
    return {one.check: one async for one in diagnose(url, prefix=prefix)}


async def names(server: RabbitServer) -> set[str]:
    listed = [
        await asyncio.to_thread(server.ctl, *what)
        for what in (("list_queues", "name", "messages", "consumers"), ("list_exchanges", "name"))
    ]
    return {line for text in listed for line in text.splitlines()}


async def test_what_a_user_may_not_do_is_named_with_the_command(
    open_broker: Open, server: RabbitServer, amqp_prefix: str, user_url: str
) -> None:
    """Permission by permission, where everything is there and where nothing is. Nothing is made, bound or consumed."""

    async def lacking(configure: str, write: str, read: str) -> str:
        await asyncio.to_thread(server.ctl, "set_permissions", USER, configure, write, read)
        found = (await told(user_url, amqp_prefix))["permissions"]
        assert (found.status == "ok") == (not found.advice)
        if found.advice:
            assert f"rabbitmqctl set_permissions --vhost / {USER} '^{amqp_prefix}'" in found.advice
        return found.detail.partition("may not: ")[2]

    every, none = f"^{amqp_prefix}", "^$"
    before = await names(server)
    assert f"configure {amqp_prefix}.ingest" in await lacking(rf"{every}\.live", every, every)
    assert await lacking(every, every, every) == ""
    found = await told(user_url, amqp_prefix)
    assert (found["topology"].status, "not there yet" in found["topology"].detail) == ("ok", True)
    assert await names(server) == before
    async with running(open_broker(), consumes=True):
        pass
    before = await names(server)
    assert await lacking(rf"{every}\.live", every, every) == "", "looked for instead of declared"
    assert await lacking(none, every, every) == f"configure {amqp_prefix}.live.*"
    writes = await lacking(every, none, every)
    assert [f"write {amqp_prefix}{end}" in writes for end in ("", ".dlx", ".live")] == [True] * 3
    assert f"read {amqp_prefix}.ingest" in await lacking(every, every, none)
    assert "topology" not in await told(user_url, amqp_prefix)
    assert await names(server) == before


async def test_a_queue_of_another_kind_is_told(server: RabbitServer, amqp_prefix: str) -> None:
    """With what the broker says of it: the service would be refused in the same way, for ever."""
    connection = await aiormq.connect(server.url)
    channel = await connection.channel()
    await channel.queue_declare(f"{amqp_prefix}.ingest", durable=True)
    try:
        found = [one async for one in diagnose(server.url, prefix=amqp_prefix)]
    finally:
        await channel.queue_delete(f"{amqp_prefix}.ingest")
        await connection.close()
    [other] = [one for one in found if one.check == "topology" and one.status == "error"]
    assert f"'{amqp_prefix}.ingest'" in other.detail
    assert "NOTIFY_SSE_AMQP_PREFIX" in other.advice


class Api(http.server.BaseHTTPRequestHandler):
    """RabbitMQ's management API, as far as it is asked."""

    queue: Any = None

    def do_GET(self) -> None:
        answers = {"/api/nodes": [{"name": "rabbit@a"}, {"name": "rabbit@b"}], "/api/queues/%2F/q": self.queue}
        body = json.dumps(answers[self.path]).encode()
        allowed = self.headers["Authorization"] == "Basic Z3Vlc3Q6Z3Vlc3Q="
        self.send_response(200 if allowed else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def api(queue: Any) -> Iterator[int]:
    """Its port."""
    handler = type("Handler", (Api,), {"queue": queue})
    with http.server.HTTPServer(("127.0.0.1", 0), handler) as running_:
        thread = threading.Thread(target=running_.serve_forever)
        thread.start()
        try:
            yield running_.server_port
        finally:
            running_.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("members", "online", "status"),
    [("ab", "ab", "ok"), ("a", "a", "error"), ("ab", "a", "warning"), ("abc", "abc", "ok")],
)
async def test_a_queue_on_fewer_nodes_than_there_are_is_told(members: str, online: str, status: str) -> None:
    """It is lost with them. With the command that puts it on the others."""
    queue = {"members": [f"rabbit@{one}" for one in members], "online": [f"rabbit@{one}" for one in online]}
    with api(queue) as port:
        [found] = await management.members(URL("amqp://127.0.0.1"), ["q"], port=port)
        assert found.status == status
        if status == "error":
            assert "rabbitmq-queues grow rabbit@b all" in found.advice
        [found] = await management.members(URL("amqp://u:p@127.0.0.1"), ["q"], port=port)
        assert "not known" in found.detail
        assert "p@" not in found.detail
