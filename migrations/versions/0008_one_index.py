"""One index answers for both questions: is this notification stored for this channel, and where is this id.

On Postgres it is built before this runs, outside of the transaction (`store/postgres/migration.py`), so that nothing
waits for it. Programs of the version before find all that they ask for by it.
"""

from pathlib import Path

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
