"""Read state, silent notifications, recall and erasure.

Additive. A program of the version before goes on with the function and the columns that it knows; what this version
writes of its own into the log looks expired to it, and it passes over that.
"""

from pathlib import Path

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
