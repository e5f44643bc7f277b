"""${message}"""

from pathlib import Path

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
