"""What the database user must be granted, and what of it is missing, as statements to paste. Decides nothing."""

from typing import Final

import asyncpg

NEEDED: Final = {
    "log": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "log_head": ("SELECT", "UPDATE"),
    "read_state": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "read_mark": ("SELECT", "INSERT", "DELETE"),
    "notify_sse_schema": ("SELECT",),
    "rollout": ("SELECT",),
    "revocations": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "revocation_head": ("SELECT", "UPDATE"),
    "tickets": ("SELECT", "INSERT", "DELETE"),
    "audit": ("SELECT", "INSERT"),
    "journal_connections": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "journal_gateways": ("SELECT", "INSERT", "UPDATE", "DELETE"),
    "journal_accepted": ("SELECT", "INSERT", "UPDATE", "DELETE"),
}
"""DELETE is for retention; UPDATE of the log for recalls, of the head also for its lock."""
HAS: Final = """
    SELECT name, privilege
      FROM unnest($1::text[], $2::text[]) AS needed (name, privilege)
     WHERE to_regclass(name) IS NOT NULL AND NOT has_table_privilege(current_user, to_regclass(name), privilege)
"""


async def missing(connection: asyncpg.Connection) -> dict[str, list[str]]:
    """Of each table that is there, the privileges that the user of `connection` lacks."""
    pairs = [(name, privilege) for name, privileges in NEEDED.items() for privilege in privileges]
    rows = await connection.fetch(HAS, [name for name, _ in pairs], [privilege for _, privilege in pairs])
    lacking: dict[str, list[str]] = {}
    for row in rows:
        lacking.setdefault(row["name"], []).append(row["privilege"])
    return lacking


async def statements(connection: asyncpg.Connection) -> str:
    """What the owner of the tables has to run; "" when nothing is missing."""
    lacking = await missing(connection)
    if not lacking:
        return ""
    grantee = await connection.fetchval("SELECT quote_ident(current_user)")
    return " ".join(
        f"GRANT {', '.join(privileges)} ON {name} TO {grantee};" for name, privileges in sorted(lacking.items())
    )
