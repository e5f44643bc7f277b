"""The SQLite file: where it is, how it is opened, and the one place where SQLite's errors become ours.

`databases` opens a connection (and a thread) each time one is asked for. That is good enough for reading; the one
writer keeps its connection open.
"""

import contextlib
import errno
import os
import sqlite3
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import quote, unquote, urlsplit

import aiosqlite

from notify_sse.errors import BadConfiguration, NotifyError, StoreRefused, StoreUnavailable
from notify_sse.store.lane import Answer, Lane
from notify_sse.store.per_use import PerUse

T = TypeVar("T")

BUSY_TIMEOUT_S: Final = 5.0
CLOSE_TIMEOUT_S: Final = 5.0
MAGIC: Final = b"SQLite format 3\0"
FOREIGN: Final = (sqlite3.Error, OSError, OverflowError, ValueError)
_NO_PLACE: Final = (errno.EACCES, errno.EPERM, errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EROFS)
# Another program wrote rows beyond the head. The batch is not to blame.
_TAKEN: Final = ("SQLITE_CONSTRAINT_PRIMARYKEY", "SQLITE_CONSTRAINT_ROWID", "SQLITE_CONSTRAINT_UNIQUE")


def path_of(url: str) -> Path:
    """The file of `sqlite:///relative/path` or `sqlite:////absolute/path`; `BadConfiguration` for anything else, and
    where something else is already.
    """
    parts = urlsplit(url)
    name = unquote(parts.path.removeprefix("/"))
    if parts.netloc or parts.query or parts.fragment or name in ("", ":memory:") or name.endswith("/"):
        raise BadConfiguration(
            "NOTIFY_SSE_DATABASE_URL: must be sqlite:///relative/file or sqlite:////absolute/file, kept on disk"
        )
    path = Path(name)
    try:
        with path.open("rb") as file:
            begins = file.read(len(MAGIC))
    except (FileNotFoundError, NotADirectoryError):
        return path
    except OSError as exc:
        raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {name} cannot be read: {exc.strerror}") from exc
    if begins not in (b"", MAGIC):
        raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {name} is not an SQLite database")
    return path


def create(path: Path) -> None:
    """Make the file, in WAL mode, and its folder, for this user alone, unless it is there. Raises what SQLite raises,
    `BadConfiguration` for a place where no file can be.

    Made aside and then linked to its name: of several processes that find no file, one makes it, and none sees it
    while it changes to WAL, which SQLite does not wait for.
    """
    try:
        _create(path)
    except OSError as exc:
        if exc.errno in _NO_PLACE:
            raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {path} cannot be made: {exc.strerror}") from exc
        raise


def _create(path: Path) -> None:
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent, prefix=".new-") as folder:
        made = Path(folder) / path.name
        made.touch(mode=0o600)
        with contextlib.closing(sqlite3.connect(made)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        with contextlib.suppress(FileExistsError):
            os.link(made, path)


def database(path: Path) -> PerUse:
    """`databases` for the file, waiting `BUSY_TIMEOUT_S` for the write lock."""
    return PerUse(f"sqlite:///{quote(str(path))}", timeout=BUSY_TIMEOUT_S)


def translated(exc: Exception) -> NotifyError:
    """Our error for one of SQLite, aiosqlite or the system. SQLite's messages hold no data."""
    name = type(exc).__name__
    if isinstance(exc, sqlite3.IntegrityError) and exc.sqlite_errorname in _TAKEN:
        return StoreUnavailable("the log was written to by something else: its ids go beyond its head")
    if isinstance(exc, (sqlite3.DataError, sqlite3.IntegrityError, OverflowError, UnicodeError)):
        return StoreRefused(f"the database has no place for such a value ({name})")
    return StoreUnavailable(f"the database file cannot be used now ({name}: {exc})")


class Reader:
    """At most `width` snapshots at a time; a caller waits at most `wait_s` for its slot."""

    def __init__(self, path: Path, *, width: int, wait_s: float) -> None:
        self._database = database(path)
        self._lane = Lane(width=width, wait_s=wait_s)

    async def run(self, work: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """What `work(connection)` returns, all of it read in one snapshot. When cancelled, it goes on to its end."""
        return await self._lane.run(lambda answer: self._unit(work, answer))

    def open(self) -> None:
        """Take work again after `close`."""
        self._lane.open()

    async def close(self) -> None:
        """Take no more work, and end what is under way. Idempotent."""
        await self._lane.close(within_s=CLOSE_TIMEOUT_S)

    async def _unit(self, work: Callable[[aiosqlite.Connection], Awaitable[T]], answer: Answer[T]) -> None:
        try:
            async with self._database.connection() as pooled:
                connection: aiosqlite.Connection = pooled.raw_connection
                await connection.execute("PRAGMA query_only = ON")
                await connection.execute("BEGIN")
                answer.give(await work(connection))  # closing the connection ends its snapshot
        except FOREIGN as exc:
            raise translated(exc) from exc


class Writer:
    """One connection, one transaction at a time."""

    def __init__(self, path: Path, *, wait_s: float) -> None:
        self._database = database(path)
        self._lane = Lane(width=1, wait_s=wait_s)
        self._connection: Any = None

    async def run(self, work: Callable[[aiosqlite.Connection], Awaitable[T]]) -> T:
        """What `work(connection)` returns, once the transaction around it is committed and on the disk.

        When cancelled, it goes on to its end. When it raises, everything of it is rolled back.
        """
        return await self._lane.run(lambda answer: self._unit(work, answer))

    def open(self) -> None:
        """Take work again after `close`."""
        self._lane.open()

    async def close(self) -> None:
        """Take no more work, and end what is under way. Idempotent."""
        await self._lane.close(within_s=CLOSE_TIMEOUT_S)
        await self._drop()

    async def _unit(self, work: Callable[[aiosqlite.Connection], Awaitable[T]], answer: Answer[T]) -> None:
        try:
            connection = await self._opened()
            await connection.execute("BEGIN IMMEDIATE")
            result = await work(connection)
            await connection.execute("COMMIT")
        except BaseException as exc:
            # Whatever state it is in, closing it rolls back.
            await self._drop()
            if isinstance(exc, FOREIGN):
                ours = translated(exc)
                raise ours from (None if isinstance(ours, StoreRefused) else exc)
            raise
        answer.give(result)

    async def _opened(self) -> aiosqlite.Connection:
        if self._connection is None:
            connection = self._database.connection()
            await connection.__aenter__()
            self._connection = connection
            # A connection comes without them from `databases`; WAL stays with the file, if `create` made it.
            await connection.raw_connection.execute("PRAGMA journal_mode = WAL")
            await connection.raw_connection.execute("PRAGMA synchronous = FULL")
        raw: aiosqlite.Connection = self._connection.raw_connection
        return raw

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.__aexit__()
