"""The journal tells how many streams each gateway has open, how far its tail is behind, and how much it did.

Additive: programs of the version before name their columns, and do not write these.
"""

from pathlib import Path

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
