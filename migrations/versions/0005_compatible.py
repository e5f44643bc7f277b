"""The database says which older programs work on its schema; and how far streams are rolled out is kept in it.

`compatible_from` is filled in by whoever migrates (`store/migration.py`). Programs of the versions before do not look
at either.
"""

from pathlib import Path

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
