"""The ten questions at night, asked of a service on RabbitMQ and Postgres: each command of the page answers in the way
that the page shows. Only names, numbers and times are others.
"""

import asyncio
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.amqp import publisher
from tests.support.api import Api, bearer, notification
from tests.support.pages import shown
from tests.support.polling import eventually
from tests.support.service import Service, ServiceFactory

PAGE: Final = "how-to/runbook.md"
HEADING: Final = "## Ten questions at night"
QUESTIONS: Final = 10
WRITTEN: Final = "order-4711-paid"
REFUSED: Final = "order-4712-paid"
VARIES: Final = (
    (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|\+00:00)", "<time>"),
    (r"(?:amqp|postgresql|http)s?://\S+", "<url>"),
    (r"[\w-]+\.\d+\.[0-9a-f]{6}\b", "<gateway>"),
    (r"\b[0-9a-f]{10}\.\d+", "<cursor>"),
    (r"\b[0-9a-f]{32}\b", "<connection>"),
    (r"^[0-9a-f]{8}  ", "<handle>  "),
    (r"\bepoch [0-9a-f]{10}", "epoch <epoch>"),
    (r"\S+\.(ingest|dead)\b", r"<prefix>.\1"),
    (r"^warning (delivery .+)(?:\n +→ .+)?", r"ok      \1"),  # a busy machine is slow
    (r"within [\d.]+ ms|later than is measured", "within <n> ms"),
    (r"[+-]?\d+(?:\.\d+)*", "<n>"),
)


def shape(text: str) -> list[str]:
    """Line by line, without what is another each time."""
    for pattern, name in VARIES:
        text = re.sub(pattern, name, text, flags=re.MULTILINE)
    return text.splitlines()


async def _a_night(running: Service, api: Api, broker_url: str, prefix: str) -> None:
    """Alice is connected, gets the one, goes, and comes back; the other is refused, and so is what is no JSON."""
    note = {"notification_type": "note", "payload": {}}
    good = json.dumps(note | {"recipient_id": "alice", "notification_id": REFUSED}).encode()

    admin = bearer(running.token("ops", scope="notifications:admin"))
    refused = [
        (b"no JSON", "recipient.alice.note", None),
        (b"none either", "recipient.alice.note", None),
        (good, "recipient.bob.note", REFUSED),
    ]

    def publish(body: bytes, key: str, message_id: str | None) -> None:
        with publisher(broker_url, prefix) as publishing:
            publishing.publish(body, key=key, message_id=message_id)

    for count, message in enumerate(refused, 1):
        await asyncio.to_thread(publish, *message)
        await _has_dead_letters(api, admin, count)  # each before the next: they would be in any order
    async with api.stream("alice") as stream:
        await stream.event("connected")
        await api.publish_many([notification("alice", notification_id=WRITTEN, notification_type="note")])
        cursor = (await stream.event("message")).id
    assert cursor
    async with api.stream("alice", last_event_id=cursor) as stream:
        await stream.event("connected")

        async def told() -> Any:
            path = f"/admin/notifications/{WRITTEN}"
            [item] = (await api.http.get(path, headers=admin)).json()["items"]
            beats = (await api.http.get("/admin/overview", headers=admin)).json()["gateways"]
            states = [one["state"] for one in item["connections"]]
            return states == ["written", "received_before"] and beats[0]["streams"] == 1

        await eventually(told, what="the journal to know of all of it")
        await asyncio.to_thread(_compare, running)


async def _has_dead_letters(api: Api, admin: dict[str, str], count: int) -> None:
    async def there() -> bool:
        return len((await api.http.get("/admin/dead-letters", headers=admin)).json()["items"]) == count

    await eventually(there, what="a dead letter")


def _compare(running: Service) -> None:
    """Each block of the page, with what it prints."""
    blocks = shown(PAGE, HEADING)
    assert len(blocks) >= QUESTIONS - 1, "two of the questions have one answer"
    env = running.env | {
        "NOTIFY_SSE_PORT": str(running.port),
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "LC_ALL": "C.UTF-8",
    }
    for block in blocks:
        program = block.commands.replace("http://127.0.0.1:9000", running.url)
        ended = subprocess.run(
            ["bash", "-c", program], env=env, capture_output=True, text=True, timeout=60, check=False
        )
        assert shape(ended.stdout) == shape(block.printed), f"{block.commands}{ended.stdout}{ended.stderr}"


@pytest.mark.deadline(120)
async def test_each_question_is_answered_as_the_page_shows(
    service: ServiceFactory, broker_url: str, amqp_prefix: str, database_url: str
) -> None:
    running = await asyncio.to_thread(
        service,
        broker_url=broker_url,
        amqp_prefix=amqp_prefix,
        database_url=database_url,
        env={"MAX_STREAMS": "1000"},
    )
    async with Api(running) as api:
        await _a_night(running, api, broker_url, amqp_prefix)


def test_every_question_has_its_row_and_every_row_leads_to_its_answer() -> None:
    text = (Path(__file__).parents[2] / "docs" / PAGE).read_text("utf-8")
    part = text.partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| \[([^]]+)\]\(#([\w-]+)\) \|", part, re.MULTILINE)
    assert len(rows) == QUESTIONS
    anchors = {re.sub(r"[^\w -]", "", name).lower().replace(" ", "-") for name in re.findall(r"(?m)^#### (.+)$", part)}
    assert {anchor for _, anchor in rows} == anchors
