"""Versions of notify-sse as they are shipped: wheels that are built from these sources, this version and a next one.

The next one has another number, and a further revision of the schema, which changes the log's table under load.
"""

import asyncio
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from notify_sse.store.schema import expected_revision
from notify_sse.version import __version__
from tests.support.service import Service
from tests.support.wheels import built, copy_sources

NEXT_VERSION = "99.0.0"
NEXT_REVISION = f"{int(expected_revision()) + 1:04}"
HOLDS_S = 0.5
"""For so long the further revision is under way: long enough to be killed in it."""
REVISION = f"""
from alembic import op
revision = {NEXT_REVISION!r}
down_revision = {expected_revision()!r}
branch_labels = depends_on = None
def upgrade():
    for statement in (
        "CREATE TABLE further (x integer)",
        "SELECT pg_sleep({HOLDS_S})",
        "ALTER TABLE log ADD COLUMN further text",
    ):
        op.get_bind().exec_driver_sql(statement)
"""


class Build(msgspec.Struct, frozen=True):
    """What is installed in `folder`: `version`, with a schema of `revision`."""

    folder: Path
    version: str
    revision: str

    def of(self, env: Mapping[str, str]) -> dict[str, str]:
        """`env` in which `python -m notify_sse` is this build, whatever lies in the working directory."""
        return dict(env) | {"PYTHONPATH": str(self.folder), "PYTHONSAFEPATH": "1"}

    def install(self, service: Service) -> None:
        """What `service` runs from its next start on."""
        service.env = self.of(service.env)


async def both(directory: Path) -> tuple[Build, Build]:
    """This version, and the next one; built below `directory`."""
    one, other = await asyncio.gather(
        asyncio.to_thread(_built, directory / "this", None), asyncio.to_thread(_built, directory / "next", NEXT_VERSION)
    )
    return Build(one, __version__, expected_revision()), Build(other, NEXT_VERSION, NEXT_REVISION)


def _built(directory: Path, version: str | None) -> Path:
    """Build a wheel, and unpack it, which is all that installing it does here."""
    sources = copy_sources(directory / "sources")
    if version:
        _move_on(sources, version)
    installed = directory / "installed"
    with zipfile.ZipFile(built(sources, directory)) as archive:
        archive.extractall(installed)
    return installed


def _move_on(sources: Path, version: str) -> None:
    file = sources / "notify_sse" / "version.py"
    file.write_text(re.sub(r'(__version__ = )".*"', rf'\1"{version}"', file.read_text()))
    (sources / "migrations" / "versions" / f"{NEXT_REVISION}_further.py").write_text(REVISION)
