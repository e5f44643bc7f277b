"""What Alembic runs for every command: hands it the connection on which `notify_sse.store.migration` began.

The lock and the transaction around it are the caller's (docs/adr/0004-schema.md), so nothing is committed here.
"""

from typing import TYPE_CHECKING

from alembic import context

if TYPE_CHECKING:
    from sqlalchemy import Connection

connection: "Connection" = context.config.attributes["connection"]
context.configure(connection=connection, version_table=context.config.attributes["version_table"])
context.run_migrations()
