"""The same requests to a service with its door and to one without: nobody can tell which is which.

What the door does not take is answered byte for byte as without it, but for the time. What it takes gets the same
status, headers and body; only the connection ends with the answer. `DOOR_CASES=10000` asks for more.
"""

import asyncio
import os
import re
from collections.abc import Iterator
from typing import Final

import pytest

from notify_sse.web.door.head import Undecided, read
from tests.support.service import Service
from tests.web.door.generated import ORIGIN, Case, case
from tests.web.door.heads import OTHERS, PATHS, head, publish

CASES: Final = int(os.environ.get("DOOR_CASES", "2000"))
AT_ONCE: Final = 16
ANSWER_S: Final = 20.0
_OWN: Final = re.compile(rb"(?im)^(?:date|x-request-id): [^\r]*\r\n")
_GREETING: Final = re.compile(rb"event: connected\ndata: [^\n]*\n\n")
_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, Service]]:
    services = []
    for program in (("notify_sse",), ("tests.web.door.without",)):
        env = {"HEARTBEAT_S": "60", "CORS_ORIGINS": ORIGIN.decode(), "LOG_LEVEL": "error"}
        services.append(Service(tmp_path_factory.mktemp("door"), env=env))
        services[-1].program = program
        services[-1].env["PYTHONHASHSEED"] = "0"  # Starlette's `Allow` is in the order of a set
        services[-1].start()
    with_door, without = services
    yield with_door, without
    for service in services:
        service.kill()


@pytest.mark.deadline(900)
async def test_requests_are_answered_as_without_the_door(services: tuple[Service, Service]) -> None:
    """Thousands of heads, most of them wrong in one or two ways."""
    token = services[0].token("alice", scope="notifications:read notifications:publish")
    cases = [case(seed, token=token) for seed in range(CASES)]
    taken = await _compared(services, cases)
    assert CASES * 0.2 < taken < CASES * 0.8, "the cases are one-sided"


async def test_requests_that_are_not_the_doors_are_answered_as_without_it(services: tuple[Service, Service]) -> None:
    """Each by name; HTTP/2 speaks of its own accord, and has its own test."""
    cases = [Case((other,)) for name, other in OTHERS.items() if name != "HTTP/2"]
    assert await _compared(services, cases) == 0


@pytest.mark.deadline(300)
async def test_a_request_may_come_in_any_two_pieces(services: tuple[Service, Service]) -> None:
    """Refused, so that each is an answer as a whole; a plain stream's, and one that is Hypercorn's."""
    for whole in (head(b"Accept: text/event-stream"), head(b"Accept: */*", b"Content-Length: 0"), publish()):
        await _compared(services, [Case((whole[:place], whole[place:])) for place in range(1, len(whole))])


async def _compared(services: tuple[Service, Service], cases: list[Case]) -> int:
    """Send each to both. Returns how many the door took."""
    room = asyncio.Semaphore(AT_ONCE)

    async def compare(one: Case) -> bool:
        async with room:
            with_door, without = [await _ask(service, one) for service in services]
        taken = not isinstance(read(one.data, paths=PATHS), Undecided)
        if taken:
            assert _essence(with_door) == _essence(without), one
        else:
            assert with_door == without, one
        return taken

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(compare(one)) for one in cases]
    return sum(task.result() for task in tasks)


async def _ask(service: Service, one: Case) -> bytes:
    """The first answer to `one`, without its date and its id; of a stream only its head."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.port)
    try:
        for piece in one.pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
        if not _END_OF_HEAD.search(one.data):
            writer.write_eof()
        async with asyncio.timeout(ANSWER_S):
            return _OWN.sub(b"", await _answer(reader, without_body=one.data.lstrip().startswith(b"HEAD")))
    except TimeoutError:
        raise AssertionError(f"no whole answer to {one} at {service.program}") from None
    finally:
        writer.transport.abort()


async def _answer(reader: asyncio.StreamReader, *, without_body: bool) -> bytes:
    said = b""
    while True:
        try:
            said += (part := await reader.read(65536))
        except ConnectionError:
            return said
        whole = _whole(said, without_body=without_body)
        if whole is not None or not part:
            return said if whole is None else whole


def _whole(said: bytes, *, without_body: bool) -> bytes | None:
    """The first whole answer in `said`, if there is one; of a stream that greets, its head."""
    before = b""
    while said.startswith(b"HTTP/1.1 100"):  # go on; the answer follows
        first, end, said = said.partition(b"\r\n\r\n")
        before += first + end
    start, end, body = said.partition(b"\r\n\r\n")
    if not end:
        return None
    if without_body or said.startswith(b"HTTP/1.1 101"):
        return before + start + end
    if length := re.search(rb"(?im)^content-length: (\d+)", start):
        size = int(length[1])
        return before + start + end + body[:size] if len(body) >= size else None
    if _GREETING.search(body):
        return before + start + end + b"<stream>"
    return before + start + end + body if body.endswith(b"0\r\n\r\n") else None


def _essence(answer: bytes) -> tuple[bytes, list[bytes], bytes]:
    """Status, headers in any order but what is about the connection, and the body."""
    start, _, body = answer.partition(b"\r\n\r\n")
    status, *lines = start.split(b"\r\n")
    return status, sorted(line.lower() for line in lines if not line.lower().startswith(b"connection:")), body
