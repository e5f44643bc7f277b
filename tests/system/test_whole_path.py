"""The whole path, once, to be read: publish → RabbitMQ → the log in Postgres → the tail → an open stream → a resume.

Everything is real: the service is a process of its own, the publisher is pika, the client speaks HTTP over a socket.
docs/explanation/flow.md tells the same story from the inside.
"""

import asyncio

import asyncpg

from tests.support.amqp import publisher
from tests.support.api import Api, bearer
from tests.support.service import ServiceFactory


async def test_the_whole_path(service: ServiceFactory, broker_url: str, database_url: str, amqp_prefix: str) -> None:
    """A backend publishes to the broker; the recipient's open stream has it, the log keeps it, and whoever was away
    gets it on coming back.
    """
    # The service, on RabbitMQ and Postgres. It sets up the empty database and declares the exchanges by itself.
    running = await asyncio.to_thread(
        service, broker_url=broker_url, database_url=database_url, amqp_prefix=amqp_prefix
    )
    async with Api(running) as api:
        # A client of alice's opens a stream: it is told where it stands, which is the beginning.
        async with api.stream("alice") as stream:
            connected = await stream.event("connected")
            epoch, _, position = str(connected.id).partition(".")
            assert position == "0"

            # A backend service publishes over AMQP and gets the broker's confirm: from here on nothing can lose it.
            document: dict[str, object] = {
                "notification_id": "invoice-4711-paid",
                "notification_type": "account_update",
                "recipient_id": "alice",
                "timestamp": "2026-11-22T10:00:00Z",
                "payload": {"invoice": 4711, "state": "paid"},
            }
            await asyncio.to_thread(_publish, broker_url, amqp_prefix, document)

            # It is the first event of the log; alice has it, under that cursor, as it was published.
            message = await stream.event("message")
            assert message.id == f"{epoch}.1"
            assert message.json() == document

        # It is in the log, in the database.
        connection = await asyncpg.connect(database_url)
        assert await connection.fetchval("SELECT count(*) FROM log") == 1
        await connection.close()

        # Nobody listens now. The publisher, unsure, repeats itself; then something new happens, for alice and for bob.
        # What is for alice is silent: it is delivered like any other, and does not count as unread.
        for name, recipient, more in (
            ("invoice-4711-paid", "alice", {}),
            ("for-bob", "bob", {}),
            ("for-alice", "alice", {"silent": True}),
        ):
            again = document | {"notification_id": name, "recipient_id": recipient} | more
            await asyncio.to_thread(_publish, broker_url, amqp_prefix, again)

        # alice comes back with the cursor she had: she gets what she missed, once, and nothing of bob's.
        async with api.stream("alice", last_event_id=stream.cursor) as stream:
            assert (await stream.event("connected")).id == f"{epoch}.1"
            missed = await stream.event("message")
            assert (missed.id, missed.json()["notification_id"]) == (f"{epoch}.3", "for-alice")
            assert missed.json()["silent"] is True

            # She is live again: what is published over HTTP goes the same way.
            cursor = await api.publish("alice", notification_type="system_alert")
            assert (await stream.event("message")).id == cursor == f"{epoch}.4"

        # Her history holds all three, the newest first.
        page = (await api.history("alice", order="desc")).json()
        assert [item["cursor"] for item in page["items"]] == [f"{epoch}.4", f"{epoch}.3", f"{epoch}.1"]

        # Two of them are unread.
        answer = await api.http.get("/notifications/unread", headers=bearer(running.token("alice")))
        assert answer.json()["unread"] == 2


def _publish(broker_url: str, prefix: str, document: dict[str, object]) -> None:
    with publisher(broker_url, prefix) as channel:
        channel.publish(document)
