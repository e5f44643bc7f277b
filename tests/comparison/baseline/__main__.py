"""`python -m tests.comparison.baseline`: settings from the environment, ended by SIGTERM."""

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import cast

import aio_pika
import uvloop
from databases import Database
from hypercorn.asyncio import serve
from hypercorn.config import Config
from hypercorn.typing import ASGIFramework
from jose import JWTError, jwt
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from notify_sse.server.files import raise_file_limit

SECRET = os.environ["BASELINE_JWT_SECRET"]
EXCHANGE = os.environ["BASELINE_EXCHANGE"]
TABLE = "CREATE TABLE IF NOT EXISTS baseline (id BIGSERIAL PRIMARY KEY, routing_key TEXT NOT NULL, body TEXT NOT NULL)"
INSERT = "INSERT INTO baseline (routing_key, body) VALUES (:routing_key, :body)"
HEARTBEAT_S = 15
PREFETCH = 100


class App:
    """What the routes share."""

    def __init__(self) -> None:
        self.database = Database(os.environ["BASELINE_DATABASE_URL"])

    @asynccontextmanager
    async def lifespan(self, _: Starlette) -> AsyncIterator[None]:
        await self.database.connect()
        await self.database.execute(TABLE)
        self.connection = await aio_pika.connect_robust(os.environ["BASELINE_BROKER_URL"])
        self.channel = await self.connection.channel()
        self.exchange = await self.channel.declare_exchange(EXCHANGE, aio_pika.ExchangeType.TOPIC, durable=True)
        await self._store_everything()
        yield
        await self.connection.close()
        await self.database.disconnect()

    async def _store_everything(self) -> None:
        channel = await self.connection.channel()
        await channel.set_qos(prefetch_count=PREFETCH)
        queue = await channel.declare_queue(f"{EXCHANGE}.store", durable=True)
        await queue.bind(self.exchange, "#")
        await queue.consume(self._store)

    async def _store(self, message: aio_pika.abc.AbstractIncomingMessage) -> None:
        async with message.process():
            await self.database.execute(
                INSERT, {"routing_key": message.routing_key or "", "body": message.body.decode()}
            )

    async def stream(self, request: Request) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            subject = jwt.decode(token, SECRET, algorithms=["HS256"], audience="notify-sse")["sub"]
        except JWTError:
            return PlainTextResponse("unauthorized", status_code=401)
        return EventSourceResponse(self._events(subject), ping=HEARTBEAT_S, sep="\n")

    async def _events(self, subject: str) -> AsyncIterator[dict[str, str]]:
        waiting: asyncio.Queue[bytes] = asyncio.Queue()

        async def arrived(message: aio_pika.abc.AbstractIncomingMessage) -> None:
            async with message.process():
                await waiting.put(message.body)

        queue = await self.channel.declare_queue(exclusive=True, auto_delete=True)
        await queue.bind(self.exchange, f"recipient.{subject}.#")
        await queue.bind(self.exchange, "topic.all.#")
        tag = await queue.consume(arrived)
        try:
            yield {"event": "connected", "data": "{}"}
            while True:
                body = await waiting.get()
                yield {"data": body.decode()}
        finally:
            await asyncio.shield(queue.cancel(tag))


async def _ready(_: Request) -> Response:
    return PlainTextResponse("ready")


async def _main() -> None:
    app = App()
    config = Config()
    config.bind = [f"127.0.0.1:{os.environ['BASELINE_PORT']}"]
    config.backlog = 4096
    config.graceful_timeout = 1
    config.loglevel = "WARNING"
    # At a client's end its queue's last deliveries have no channel any more: aio-pika says so, once for each.
    logging.getLogger("aio_pika").setLevel(logging.CRITICAL)
    routes = [Route("/notifications/stream", app.stream), Route("/readyz", _ready)]
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    # Starlette and hypercorn each have a type of their own for one and the same thing.
    asgi = cast("ASGIFramework", Starlette(routes=routes, lifespan=app.lifespan))
    await serve(asgi, config, shutdown_trigger=stop.wait)


if __name__ == "__main__":
    raise_file_limit()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main())
