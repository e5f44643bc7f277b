"""A trial of those who publish to RabbitMQ: its connections are closed, and then it is killed, while they publish."""

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

from tests.compatibility.rows import Row
from tests.support.amqp import publisher
from tests.support.api import Api, notification
from tests.support.polling import becomes_true
from tests.support.service import Service
from tests.support.services import CannotStart, Process, RabbitServer, start_rabbitmq
from tests.support.services.processes import spawn

EXCHANGE = "notifications"
COUNT = 40
CLOSED_AT, KILLED_AT = 10, 25
"""How many of them each has published by then."""
STARTED_S = 30
DONE_S = 60


async def try_all(rows: Sequence[Row], folder: Path) -> list[list[int]]:
    """The numbers that arrived from each, in their order in the log."""
    rabbit = await asyncio.to_thread(start_rabbitmq, folder)
    service = Service(folder / "service", broker_url=rabbit.url)
    processes: list[Process] = []
    try:
        await asyncio.to_thread(service.start)
        async with Api(service) as api:
            await asyncio.to_thread(_publish_first, rabbit.url)
            processes += [_start(row, rabbit.url, folder) for row in rows]
            await _disturb(rabbit, rows, folder)
            return [await _arrived(api, row) for row in rows]
    finally:
        for process in processes:
            process.kill()
        await asyncio.to_thread(service.kill)
        await asyncio.to_thread(rabbit.discard)


def _start(row: Row, url: str, folder: Path) -> Process:
    given = {"AMQP_URL": url, "EXCHANGE": EXCHANGE, "RECIPIENT": _recipient(row), "COUNT": str(COUNT)}
    return spawn(row.command, log=_log(row, folder), env=os.environ | given, cwd=folder)


async def _disturb(rabbit: RabbitServer, rows: Sequence[Row], folder: Path) -> None:
    def have(count: int) -> bool:
        return all(len(_confirmed(row, folder)) >= count for row in rows)

    if await becomes_true(lambda: have(CLOSED_AT), within_s=STARTED_S):
        await asyncio.to_thread(rabbit.close_all_connections)
    if await becomes_true(lambda: have(KILLED_AT), within_s=STARTED_S):
        await asyncio.to_thread(rabbit.write_names)
        await asyncio.to_thread(rabbit.kill)
        if any(len(_confirmed(row, folder)) >= COUNT for row in rows):
            raise CannotStart("a publisher was done before the broker was killed")
        await asyncio.to_thread(rabbit.start)
    await becomes_true(lambda: have(COUNT), within_s=DONE_S)


def _publish_first(url: str) -> None:
    """Returns once the service has declared its queues and bound them: until then what is published is nobody's."""
    with publisher(url, EXCHANGE) as channel:
        channel.publish(notification("nobody"))


async def _arrived(api: Api, row: Row) -> list[int]:
    """What the log has, once nothing more comes."""
    numbers: list[int] = []
    for _ in range(50):
        page = (await api.history(_recipient(row), order="asc")).json()
        numbers = [item["payload"]["n"] for item in page["items"]]
        if len(numbers) >= COUNT:
            break
        await asyncio.sleep(0.2)
    return numbers


def on_publishing(numbers: Sequence[int]) -> str:
    """In the table's words."""
    if list(numbers) == list(range(COUNT)):
        return "each once, in order"
    if not numbers:
        return "never came"
    if len(set(numbers)) < len(numbers):
        return "some twice"
    return "out of order" if len(numbers) == COUNT else "some lost"


def _confirmed(row: Row, folder: Path) -> list[str]:
    log = _log(row, folder)
    return [line for line in log.read_text(errors="replace").splitlines() if line.isdigit()] if log.exists() else []


def _log(row: Row, folder: Path) -> Path:
    return folder / f"{_recipient(row)}.log"


def _recipient(row: Row) -> str:
    return row.name.lower().replace(" ", "-")
