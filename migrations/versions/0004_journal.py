"""The journal: a row for each connection, each gateway, and each run of notifications that were accepted the same way.

On Postgres the new index of the log is built before this runs, outside of the transaction
(`store/postgres/migration.py`), so that nothing waits for it. Programs of the version before use none of it.
"""

from pathlib import Path

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
