"""${message}"""

from pathlib import Path

from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None
# A revision that programs of older revisions cannot work with names here the oldest one whose programs can:
# compatible_from = ${repr(up_revision)}

SQL = Path(__file__).parents[1] / "sql"


def upgrade() -> None:
    bind = op.get_bind()
    script = (SQL / f"{revision}_{bind.dialect.name}.sql").read_text("utf-8")
    for statement in script.split("\n---\n"):
        bind.exec_driver_sql(statement)
