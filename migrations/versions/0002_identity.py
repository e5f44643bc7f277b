"""A notification_id is the idempotency key within its channel, no longer in the whole log.

On Postgres the new index is built before this runs, outside of the transaction (`store/postgres/migration.py`), so that
nothing waits for it. Programs of the version before go on working: they call the same function.
"""

from pathlib import Path

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
