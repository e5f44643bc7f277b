"""Stores in several processes: killed, frozen, and at work on the same log at the same time."""

import asyncio
import contextlib
import os
import random
import signal
import sqlite3
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from notify_sse.store.sqlite.file import path_of
from tests.store.subject import Subject, ids, several, whole_log
from tests.support.polling import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


async def test_a_writer_killed_amid_its_appends_leaves_a_whole_log(subject: Subject, tmp_path: Path) -> None:
    """SIGKILL at any moment: what was told is in the log with the id that was told, ids are contiguous, and the next
    process appends at once."""
    told: dict[str, int] = {}
    for number in range(4):
        printed = tmp_path / f"{number}.txt"
        with _writer(subject, f"w{number}", printed) as process:
            await eventually(partial(_lines, printed, 30))
            await asyncio.sleep(random.Random(number).random() * 0.05)
            process.kill()
            process.wait()
        told |= _told(printed)
    async with subject.opened() as store:
        async with asyncio.timeout(20):
            await store.append(several("after", 1))
        events = await whole_log(store)
        assert ids(events) == list(range(1, len(events) + 1))
    stored = {_text(name): place for name, place in await subject.sql("SELECT notification_id, id FROM log")}
    assert told.items() <= stored.items()
    if subject.url.startswith("sqlite"):
        assert await subject.sql("PRAGMA integrity_check") == [("ok",)]


async def test_a_frozen_writer_does_not_hold_the_log(database_url: str, tmp_path: Path) -> None:
    """failures.md, row 30: SIGSTOP amid its appends: others append in their usual time, since an append is one round
    trip; thawed, it goes on, and the log is right."""
    subject = Subject(database_url)
    rng = random.Random(5)
    printed = tmp_path / "frozen.txt"
    async with subject.opened() as store:
        with _writer(subject, "frozen", printed) as process:
            for number in range(15):
                await eventually(partial(_lines, printed, 20 * (number + 1)))
                await asyncio.sleep(rng.random() * 0.01)
                process.send_signal(signal.SIGSTOP)
                async with asyncio.timeout(20):
                    for batch in range(5):
                        await store.append(several(f"{number}-{batch}", 3))
                process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()
        events = await whole_log(store)
        assert ids(events) == list(range(1, len(events) + 1))
        stored = {_text(name): place for name, place in await subject.sql("SELECT notification_id, id FROM log")}
        assert _told(printed).items() <= stored.items()


async def test_processes_share_a_log(subject: Subject, tmp_path: Path) -> None:
    """Two processes append while a third, this one, follows: no event is missed, no id is given twice."""
    first, second = tmp_path / "1.txt", tmp_path / "2.txt"
    async with subject.opened() as store:
        seen: list[int] = []
        with _writer(subject, "one", first) as one, _writer(subject, "two", second) as two:
            async with asyncio.timeout(30):
                while not (await _lines(first, 300) and await _lines(second, 300)):
                    page = await store.stretch(seen[-1] if seen else 0, limit=100)
                    seen += ids(page.events)
            for process in (one, two):
                process.kill()
                process.wait()
        told = _told(first) | _told(second)
        assert len(set(told.values())) == len(told)
        assert seen == list(range(1, len(seen) + 1))


async def test_the_sqlite_file_is_for_this_user_alone(sqlite_url: str) -> None:
    """The log is private: file and folder are not for others, and every commit is on the disk before it is told."""
    path = path_of(sqlite_url)
    subject = Subject(sqlite_url.replace(path.name, f"new folder/{path.name}"))
    path = path_of(subject.url)
    async with subject.opened() as store:
        await store.append(several("a", 1))
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        connection = store._writer._connection.raw_connection  # type: ignore[attr-defined]
        assert list(await connection.execute_fetchall("PRAGMA synchronous")) == [(2,)]
        assert list(await connection.execute_fetchall("PRAGMA journal_mode")) == [("wal",)]


async def test_another_program_that_locks_the_sqlite_file_is_waited_for(sqlite_url: str) -> None:
    """A backup or a shell that holds the write lock for a while delays an append; reads do not notice."""
    subject = Subject(sqlite_url)
    async with subject.opened() as store:
        await store.append(several("a", 1))
        with contextlib.closing(sqlite3.connect(path_of(sqlite_url), isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            append = asyncio.create_task(store.append(several("b", 1)))
            started = time.monotonic()
            while time.monotonic() - started < 0.3:
                assert (await store.head()).position == 1
            assert not append.done()
            other.execute("COMMIT")
        assert (await append).stored[0].id == 2


@contextlib.contextmanager
def _writer(subject: Subject, prefix: str, printed: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "tests.store.writer", subject.url, prefix]
    with printed.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, cwd=ROOT, env=os.environ)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


async def _lines(printed: Path, count: int) -> bool:
    return len(_told(printed)) >= count


def _told(printed: Path) -> dict[str, int]:
    """What was printed; a line that the kill cut off was not told."""
    lines = printed.read_text().split("\n")[:-1]
    return {name: int(place) for name, place in map(str.split, lines)}


def _text(stored: bytes | memoryview) -> str:
    return bytes(stored).decode()
