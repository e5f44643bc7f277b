"""The log, its head, and (on Postgres) the functions that write to it.

The statements are in `sql/`, one file for each database, separated by lines of `---`.
"""

import secrets
from pathlib import Path

from alembic import op
from sqlalchemy import text

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
    first = text("INSERT INTO log_head (one, epoch, position, floor) VALUES (true, :epoch, 0, 0)")
    bind.execute(first, {"epoch": secrets.token_hex(5)})
