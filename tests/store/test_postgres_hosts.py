"""Which of several hosts is taken, and what becomes of the attempts at the others. No server: attempts in hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, cast

import asyncpg
import pytest

from notify_sse.store.postgres import hosts
from notify_sse.store.postgres.hosts import first_of
from tests.support.polling import until

Connect = Callable[[str], Awaitable[asyncpg.Connection]]
STANDBY = asyncpg.exceptions.TargetServerAttributeNotMatched("a standby")


class Connection:
    """Of a host; knows whether it was let go."""

    def __init__(self, host: str) -> None:
        self.host = host
        self.gone = False

    def terminate(self) -> None:
        self.gone = True


class Hosts:
    """`answers`: by host, an error, None for a connection, or an event to wait for before it."""

    def __init__(self, **answers: Exception | asyncio.Event | None) -> None:
        self._answers = answers
        self.made: dict[str, Connection] = {}
        self.asked: list[str] = []

    async def connect(self, host: str) -> asyncpg.Connection:
        self.asked.append(host)
        answer = self._answers[host]
        if isinstance(answer, asyncio.Event):
            while not answer.is_set():  # as asyncpg, which does not always end when it is cancelled
                try:
                    await answer.wait()
                except asyncio.CancelledError:
                    continue
        elif answer:
            raise answer
        self.made[host] = Connection(host)
        return cast("asyncpg.Connection", self.made[host])

    async def first(self) -> str:
        found = cast("Any", await first_of(list(self._answers), self.connect))
        return cast("str", found.host)


@pytest.fixture(autouse=True)
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "STAGGER_S", 0.01)


@pytest.mark.parametrize("not_this_one", [OSError(), TimeoutError(), STANDBY, asyncpg.CannotConnectNowError("starts")])
async def test_the_next_is_taken_when_one_is_not_what_is_wanted(not_this_one: Exception) -> None:
    assert await Hosts(a=not_this_one, b=not_this_one, c=None).first() == "c"


async def test_the_first_is_taken_and_nobody_else_is_asked() -> None:
    there = Hosts(a=None, b=None)
    assert (await there.first(), there.asked) == ("a", ["a"])


async def test_a_refusal_of_the_user_is_the_answer() -> None:
    """The others would say the same, and be counted as attempts to guess the password."""
    there = Hosts(a=asyncpg.InvalidPasswordError("no"), b=None)
    with pytest.raises(asyncpg.InvalidPasswordError):
        await there.first()
    assert there.asked == ["a"]


async def test_when_none_will_do_the_last_one_says_why() -> None:
    with pytest.raises(asyncpg.exceptions.TargetServerAttributeNotMatched):
        await Hosts(a=OSError(), b=STANDBY).first()


async def test_one_that_answers_too_late_is_let_go() -> None:
    silent = asyncio.Event()
    there = Hosts(a=silent, b=None)
    assert await there.first() == "b"
    silent.set()
    await until(lambda: there.made.get("a") and there.made["a"].gone)
    assert not there.made["b"].gone


async def test_whoever_gives_up_leaves_no_attempt_behind() -> None:
    silent = asyncio.Event()
    there = Hosts(a=silent, b=silent)
    waiting = asyncio.ensure_future(there.first())
    await until(lambda: len(there.asked) == 2)
    waiting.cancel()
    silent.set()
    await until(lambda: len(there.made) == 2 and all(one.gone for one in there.made.values()))
