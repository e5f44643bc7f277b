"""A pool of connections to Postgres that heals itself, and the one place where its errors become ours.

`PostgresStore` has one for each kind of work. `databases` keeps the connections; the work itself runs on the asyncpg
connection, one autocommitted statement at a time, so no transaction is ever left open. (Through a connection pooler it
is a transaction, which the server ends when we do not: see `pooler`.)
"""

import asyncio
import contextlib
import logging
import os
import re
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar
from urllib.parse import urlencode

import asyncpg

from notify_sse.config.certificates import holds_certificates
from notify_sse.config.database_url import each_host, options_of
from notify_sse.errors import BadConfiguration, NotifyError, StoreRefused, StoreUnavailable
from notify_sse.store.lane import Answer, Lane
from notify_sse.store.per_use import PerUse
from notify_sse.store.postgres import pooler
from notify_sse.store.postgres.hosts import first_of

logger = logging.getLogger(__name__)
T = TypeVar("T")

CONNECT_TIMEOUT_S: Final = 5.0
COMMAND_TIMEOUT_S: Final = 10.0
CLOSE_TIMEOUT_S: Final = 2.0
SERVER_SETTINGS: Final = {
    # The server gives up before we do, so that a slow statement is cancelled and the connection kept.
    "statement_timeout": "9000",
    "idle_in_transaction_session_timeout": "10000",
    # log_append looks for duplicates in a snapshot younger than its lock: that takes this isolation.
    "default_transaction_isolation": "read committed",
    # Every statement is served by an index. A plan made while the log was empty must not scan it when it is large.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "enable_bitmapscan": "off",
    "jit": "off",
    # The server too notices a peer that is gone, and frees what it held.
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
FOREIGN: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    AssertionError,  # `databases`, on a pool that was closed meanwhile
)
# SQLSTATE classes that blame what was written: data exception, integrity, program limit (an index entry too large).
_REFUSED: Final = frozenset(("22", "23", "54"))
_ADVICE: Final = {
    "3D000": "the database that NOTIFY_SSE_DATABASE_URL names does not exist: create it (createdb); waiting for it",
    "28": "the database refuses the user or password of NOTIFY_SSE_DATABASE_URL; trying again until it does not",
    "42501": "the database user lacks a privilege; trying again until it is granted (`notify-sse doctor` names what is "
    "missing)",
    "standby": "NOTIFY_SSE_DATABASE_URL leads to no primary: promote a standby, or name the primary's host; waiting",
    "TLS": "the certificate of the database is not of an authority in the sslrootcert of NOTIFY_SSE_DATABASE_URL, or "
    "not for that host; trying again until it is",
}
"""By SQLSTATE or its class: refusals that need a person."""
_NOTICES_A_CUT: Final = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3, "TCP_USER_TIMEOUT": 10_000}
_NOT_ASYNCPGS: Final = frozenset(
    (
        *("channel_binding", "connect_timeout", "fallback_application_name", "gssencmode", "keepalives"),
        *("keepalives_count", "keepalives_idle", "keepalives_interval", "load_balance_hosts", "max_size"),
        *("min_size", "sslcertmode", "sslcompression", "sslsni", "tcp_user_timeout"),
    )
)
"""Options of `databases` and of libpq, which asyncpg would send to the server: it refuses them (42704). What they are
for is done, or has no use here."""
_FIRST_WILL_DO: Final = frozenset(("primary", "read-write", "any"))
"""Of several hosts, the first that is such a one is as good as any other."""
_TLS_FILES: Final = frozenset(("sslrootcert", "sslcert", "sslkey", "sslcrl"))
# The connection cannot be used any more, or leads to a server that is no longer the primary.
_BROKEN: Final = frozenset(("08", "57P01", "57P02", "57P03", "57P05", "25006"))


async def reach(
    url: str, *, settings: dict[str, str], command_timeout_s: float | None, pooled: bool = False
) -> tuple[asyncpg.Connection, bool]:
    """As `connect`; and whether a pooler stands before the server. If so, the connection is without `settings`.
    With `pooled`, that is known.
    """
    if not pooled:
        try:
            connection = await connect(url, settings=settings, command_timeout_s=command_timeout_s)
            if not await pooler.is_between(connection, settings):
                return connection, False
            await connection.close()
        except asyncpg.PostgresError as exc:
            if not pooler.is_at_fault(exc):
                raise
    return await connect(url, settings={}, command_timeout_s=command_timeout_s, **pooler.STATEMENTS_KEPT), True


async def connect(
    url: str, *, settings: dict[str, str], command_timeout_s: float | None, **more: Any
) -> asyncpg.Connection:
    """A connection to the primary that `url` leads to, on a socket that notices a silent cut within 10 s of a write.
    `more` is for asyncpg.

    Raises `BadConfiguration` when `url` is at fault, else what asyncpg and the system raise.
    """
    _check_files(url)
    place = dsn(url)
    urls = each_host(place) if options_of(place)["target_session_attrs"] in _FIRST_WILL_DO else [place]

    async def connect_to(one: str) -> asyncpg.Connection:
        connection: asyncpg.Connection = await asyncpg.connect(
            one, timeout=CONNECT_TIMEOUT_S, command_timeout=command_timeout_s, server_settings=settings, **more
        )
        return connection

    try:
        connection = await first_of(urls, connect_to)
    except ssl.SSLError:
        raise  # a ValueError as well, when a certificate is refused
    except ValueError as exc:
        raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {_reason(exc)}") from None
    transport = connection._transport  # type: ignore[attr-defined]  # noqa: SLF001 - no other way to its socket
    _watch(transport.get_extra_info("socket"))
    return connection


def _check_files(url: str) -> None:
    """Asyncpg does not say which file it does not find; and a server that is away looks the same."""
    for name, path in options_of(url).items():
        if name in _TLS_FILES and not os.access(path, os.R_OK):
            raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {name} names a file that cannot be read ({path})")
        if name == "sslrootcert" and not holds_certificates(path):
            raise BadConfiguration(f"NOTIFY_SSE_DATABASE_URL: {name} names a file without a certificate ({path})")


def _reason(exc: ValueError) -> str:
    """Asyncpg's own words where they are about TLS; others may hold a part of the password."""
    said = " ".join(str(exc).split())
    if isinstance(exc, asyncpg.ClientConfigurationError) and re.search("certificate|sslmode|ssl_", said):
        return said
    return "is not a URL of Postgres that can be used (special characters in a password must be percent-encoded)"


def dsn(url: str) -> str:
    """`url` as asyncpg takes it: without options that are not its own, and leading to the primary unless it says else.

    The log must not be read from a standby: one that lags would seem to have lost events that clients have.
    """
    place, options = url.partition("?")[0], options_of(url)
    for name in _NOT_ASYNCPGS & options.keys():
        del options[name]
    if (mode := options.pop("ssl", None)) is not None:
        options.setdefault("sslmode", {"true": "require", "false": "disable"}.get(mode.lower(), mode))
    options.setdefault("target_session_attrs", "primary")
    options.setdefault("application_name", "notify-sse")
    return f"{place}?{urlencode(options)}"


def translated(exc: Exception) -> NotifyError:
    """Our error for one of asyncpg, `databases` or the system. Says nothing of the data: details name values."""
    name = type(exc).__name__
    if isinstance(exc, asyncpg.PostgresError):
        state = exc.sqlstate or ""
        if state[:2] in _REFUSED:
            return StoreRefused(f"the database refuses it ({name}, SQLSTATE {state})")
        advice = _ADVICE.get(state) or _ADVICE.get(state[:2]) or pooler.advice(exc)
        return StoreUnavailable(f"the database cannot do it now ({name}: {exc.args[0]})", advice=advice)
    if isinstance(exc, asyncpg.InterfaceError) and isinstance(exc, ValueError):
        return StoreRefused(f"the database has no place for such a value ({name})")
    if isinstance(exc, asyncpg.exceptions.TargetServerAttributeNotMatched):
        return StoreUnavailable(
            "no host is the primary (it is a standby, or still recovers)", advice=_ADVICE["standby"]
        )
    advice = _ADVICE["TLS"] if isinstance(exc, ssl.SSLCertVerificationError) else ""
    return StoreUnavailable(f"the database cannot be reached ({name}: {exc})", advice=advice)


class PostgresPool:
    """At most `size` connections to `url`, opened when they are needed."""

    def __init__(self, url: str, *, size: int, wait_s: float) -> None:
        self._url = url
        self._size = size
        self._lane = Lane(width=size, wait_s=wait_s)
        self._database: PerUse | None = None
        self._retiring: set[asyncio.Task[None]] = set()
        self.pooled = False
        """Whether a connection pooler was found before the server. Known after the first unit of work."""

    async def run(self, work: Callable[[asyncpg.Connection], Coroutine[Any, Any, T]]) -> T:
        """What `work(connection)` returns. It must not begin a transaction that it does not end.

        Raises `StoreUnavailable` or `StoreRefused`. When cancelled, `work` goes on to its end all the same.
        """
        return await self._lane.run(lambda answer: self._unit(work, answer))

    async def close(self) -> None:
        """Close every connection; at the latest after `2 * CLOSE_TIMEOUT_S`. Idempotent."""
        await self._lane.close(within_s=CLOSE_TIMEOUT_S)
        if self._database is not None:
            self._retire(self._database)
            self._database = None
        if self._retiring:
            await asyncio.wait(self._retiring, timeout=CLOSE_TIMEOUT_S)
        late = set(self._retiring)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    def open(self) -> None:
        """Take work again after `close`."""
        self._lane.open()

    async def _unit(self, work: Callable[[asyncpg.Connection], Awaitable[T]], answer: Answer[T]) -> None:
        try:
            database = await self._opened()
            async with database.connection() as pooled:
                connection = pooled.raw_connection
                try:
                    answer.give(await self._carry_out(work, connection))
                except BaseException as exc:
                    if _is_broken(exc):
                        self._discard(database, connection)
                    raise
        except FOREIGN as exc:
            # Not `from exc` when the data is to blame: asyncpg's message quotes it.
            ours = translated(exc)
            raise ours from (None if isinstance(ours, StoreRefused) else exc)

    async def _carry_out(self, work: Callable[[asyncpg.Connection], Awaitable[T]], connection: asyncpg.Connection) -> T:
        if not self.pooled:
            return await work(connection)
        await connection.execute(pooler.beginning(SERVER_SETTINGS))
        try:
            result = await work(connection)
        except BaseException as exc:
            if not _is_broken(exc):
                await connection.execute("ROLLBACK")
            raise
        await connection.execute("COMMIT")
        return result

    async def _opened(self) -> PerUse:
        if self._database is None:
            # The URL names no server: `databases` logs it, and understands fewer forms than asyncpg does.
            self._database = PerUse(
                "postgresql://log",
                min_size=0,
                max_size=self._size,
                connect=self._connect,
                reset=_nothing_to_reset,
            )
            await self._database.connect()  # waits for nothing: min_size is 0
        return self._database

    async def _connect(self, *_: Any, **__: Any) -> asyncpg.Connection:
        connection, pooled = await reach(
            self._url, settings=SERVER_SETTINGS, command_timeout_s=COMMAND_TIMEOUT_S, pooled=self.pooled
        )
        if pooled and not self.pooled:
            logger.debug("a connection pooler stands before the database", extra={"action": "connect"})
        self.pooled = pooled
        return connection

    def _discard(self, database: PerUse, connection: asyncpg.Connection) -> None:
        """Drop a connection that failed, and with it the idle ones: they lead to where it led."""
        with contextlib.suppress(asyncpg.InterfaceError):  # the pool has let go of it already
            connection.terminate()
        if self._database is database:
            self._database = None
            self._retire(database)

    def _retire(self, database: PerUse) -> None:
        task = asyncio.get_running_loop().create_task(_disconnect(database))
        self._retiring.add(task)
        task.add_done_callback(self._retiring.discard)


async def _nothing_to_reset(_: asyncpg.Connection) -> None:
    """No session is ever changed: asyncpg's own statement would be one more round trip for each use."""


async def _disconnect(database: PerUse) -> None:
    """Close `database` once its units are done; cancelled, asyncpg cuts what is left."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT_S + COMMAND_TIMEOUT_S + CLOSE_TIMEOUT_S):
            await database.disconnect()
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as exc:
        logger.debug("connections were cut", extra={"action": "disconnect", "error": type(exc).__name__})


def _is_broken(exc: BaseException) -> bool:
    if isinstance(exc, asyncpg.PostgresError):
        state = exc.sqlstate or ""
        return state in _BROKEN or state[:2] in _BROKEN
    return not isinstance(exc, (ValueError, NotifyError))


def _watch(sock: Any) -> None:
    """Have `sock` notice a silent cut. One that was lost in the moment it was made is whoever uses it to find out."""
    if sock is None or sock.family == socket.AF_UNIX:
        return
    options = [(socket.SOL_SOCKET, "SO_KEEPALIVE", 1)]
    options += [(socket.IPPROTO_TCP, option, value) for option, value in _NOTICES_A_CUT.items()]
    for level, option, value in options:
        with contextlib.suppress(AttributeError, OSError, ValueError):  # not every system has each; no socket any more
            sock.setsockopt(level, getattr(socket, option), value)
