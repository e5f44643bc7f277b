"""What the database keeps of who may ask: revocations, tickets, and the audit log.

New tables only: programs of the version before go on working, and know nothing of them.
"""

from pathlib import Path

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
