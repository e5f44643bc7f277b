"""What is different when a connection pooler, such as PgBouncer, stands before Postgres.

It refuses or passes over start-up parameters, and with transaction pooling each transaction may run on another
connection of the server, where a statement that was prepared before is not known, or is somebody else's. So each unit
of work is a transaction of its own there: the settings hold within it, and nothing is left behind. This module says
how; `pool` does it.
"""

from collections.abc import Mapping
from typing import Final

import asyncpg

STATEMENTS_KEPT: Final = {"statement_cache_size": 0}
"""How asyncpg connects through a pooler: it gives no names to prepared statements."""

_REFUSED: Final = frozenset(("08P01", "0A000"))
"""SQLSTATEs with which poolers refuse a start-up parameter that they do not know."""
_CUT_OFF: Final = "08003"
"""Of asyncpg's own: a pooler that pools statements closes the connection, and asyncpg's error quotes what it said."""
_ADVICE: Final = {
    "parameter": "a connection pooler such as PgBouncer refuses an option of NOTIFY_SSE_DATABASE_URL: leave it out, or "
    "name it in ignore_startup_parameters there",
    "statement pooling": "a connection pooler such as PgBouncer pools statements: set pool_mode = transaction there",
    "no such database": "the database that NOTIFY_SSE_DATABASE_URL names does not exist in the connection pooler's "
    "configuration: name it there",
}
_OTHER_SERVER: Final = frozenset(("42P05", "26000"))
"""A prepared statement was there already, or is not: asyncpg asks each server whether it is the primary."""


def is_at_fault(exc: asyncpg.PostgresError) -> bool:
    """Whether a connection that failed with `exc` failed because it leads through a pooler."""
    return exc.sqlstate in _OTHER_SERVER or (exc.sqlstate in _REFUSED and "parameter" in str(exc.args[0]))


def advice(exc: asyncpg.PostgresError) -> str:
    """What to do about a refusal of the pooler's own; "" when it is none."""
    if exc.sqlstate not in _REFUSED and exc.sqlstate != _CUT_OFF:
        return ""
    return next((advice for said, advice in _ADVICE.items() if said in str(exc.args[0])), "")


async def is_between(connection: asyncpg.Connection, settings: Mapping[str, str]) -> bool:
    """Whether `connection` ends at a pooler, or came to be without its `settings`.

    One simple query: a prepared statement might be left behind.
    """
    wanted = ", ".join(f"('{name}', '{value}')" for name, value in _of_the_session(settings).items())
    # Of a simple query, asyncpg tells how many rows there were, and no more.
    rows = await connection.execute(
        f"SELECT WHERE pg_backend_pid() = {connection.get_server_pid():d} AND NOT EXISTS ("  # noqa: S608 - constants
        f"SELECT FROM (VALUES {wanted}) AS wanted (name, value) LEFT JOIN pg_settings USING (name) "
        "WHERE setting IS DISTINCT FROM value)"
    )
    return rows != "SELECT 1"


def beginning(settings: Mapping[str, str]) -> str:
    """Statements that begin a transaction in which `settings` hold. They take one round trip."""
    local = [f"SET LOCAL {name} = '{value}'" for name, value in _of_the_session(settings).items()]
    return "; ".join(("BEGIN ISOLATION LEVEL READ COMMITTED", *local))


def _of_the_session(settings: Mapping[str, str]) -> dict[str, str]:
    """Those that are not about the socket: that is the pooler's own, or on the server's machine none at all."""
    return {name: value for name, value in settings.items() if not name.startswith("tcp_")}
