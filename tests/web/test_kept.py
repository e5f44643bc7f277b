"""One connection, many requests: a publish goes on at the door, and whoever answers, all is as on a connection each."""

import asyncio
import re
from typing import Final

import msgspec
import pytest

from tests.support.api import Api, bearer, fresh, notification
from tests.support.service import Service
from tests.web.conftest import ORIGIN

_OWN: Final = re.compile(r"(?im)^(?:date|x-request-id|content-length): .*\r?\n")


class _Kept:
    """A connection that asks one thing after the other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> None:
        lines = {"Host": "x", **headers, **({"Content-Length": str(len(body))} if body else {})}
        head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        self._writer.write(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)

    async def answer(self) -> tuple[int, str, bytes]:
        """Status, head and body of the next answer."""
        async with asyncio.timeout(30):
            head = (await self._reader.readuntil(b"\r\n\r\n")).decode()
            length = re.search(r"(?i)content-length: (\d+)", head)
            assert length
            return int(head.split(" ", 2)[1]), head, await self._reader.readexactly(int(length[1]))

    async def close(self) -> None:
        self._writer.close()
        await self._writer.wait_closed()


async def _connect(service: Service) -> _Kept:
    return _Kept(*await asyncio.open_connection("127.0.0.1", service.port))


async def test_publishes_and_others_take_turns_on_one_connection(shared: Service) -> None:
    """Sent all at once: each is answered in its turn, and what was published is there once, in order."""
    alice = fresh("alice")
    publisher = bearer(shared.token("backend", scope="notifications:publish"))
    async with Api(shared) as api:
        start = await api.head()
        kept = await _connect(shared)
        for n in range(3):
            kept.send("POST", "/notifications", publisher, msgspec.json.encode(notification(alice, payload={"n": n})))
        kept.send("POST", "/notifications", publisher, b"{}")
        kept.send("POST", "/notifications", bearer("no"), b"{}")
        kept.send("GET", "/healthz", {})
        kept.send("POST", "/notifications", publisher, msgspec.json.encode(notification(alice, payload={"n": 3})))
        answers = [await kept.answer() for _ in range(7)]
        await kept.close()
        assert [status for status, _, _ in answers] == [201, 201, 201, 400, 401, 200, 201]
        assert len({re.search(r"(?i)x-request-id: (\S+)", head)[1] for _, head, _ in answers}) == 7  # type: ignore[index]
        page = (await api.history(alice, after=start)).json()
        assert [item["payload"]["n"] for item in page["items"]] == [0, 1, 2, 3]
        assert [msgspec.json.decode(answers[place][2])["cursor"] for place in (0, 1, 2, 6)] == [
            item["cursor"] for item in page["items"]
        ]


@pytest.mark.parametrize(
    ("headers", "body"), [({}, b"{}"), ({}, b"x" * 70_000), ({"Authorization": "Bearer no"}, b"{}")], ids=str
)
async def test_who_answers_a_publish_shows_nowhere(plain: Service, headers: dict[str, str], body: bytes) -> None:
    """At the door; by Hypercorn, since it is asked to go on; and with an origin, through all of Starlette's layers."""
    said = set()
    for more in ({}, {"Expect": "100-continue"}, {"Origin": "https://elsewhere.example.org"}):
        kept = await _connect(plain)
        lines = bearer(plain.token("backend", scope="notifications:publish")) | headers | more
        kept.send("POST", "/notifications", lines, body)
        if "Expect" in more:
            async with asyncio.timeout(30):
                assert b" 100 " in await kept._reader.readuntil(b"\r\n\r\n")
        status, head, answer = await kept.answer()
        await kept.close()
        lines_of_it = sorted(_OWN.sub("", head).lower().splitlines()[1:])
        said.add((status, tuple(line for line in lines_of_it if not line.startswith("access-control-")), answer))
    assert len(said) == 1, said


async def test_a_page_that_publishes_may_read_the_answer(plain: Service) -> None:
    async with Api(plain) as api:
        answer = await api.http.post("/notifications", content=b"{}", headers={"Origin": ORIGIN})
    assert answer.status_code == 401
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
