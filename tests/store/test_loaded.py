"""What a process of the service loads, and what it leaves: libraries that have nothing to do there cost it memory."""

import asyncio
import sys

import pytest

OPEN = """
import asyncio, sys
import notify_sse.server.process
from notify_sse.auth import Verifier
from notify_sse.config import read_settings
from notify_sse.store import open_store
async def main():
    store = open_store(sys.argv[1])
    await store.open()
    await store.close()
Verifier(read_settings({"NOTIFY_SSE_JWT_SECRET": "0" * 40}))
asyncio.run(main())
print(*(name for name in ("alembic", "httpx") if name in sys.modules))
"""


@pytest.mark.parametrize("database", ["sqlite_url", "database_url"])
async def test_what_has_nothing_to_do_is_not_loaded(database: str, request: pytest.FixtureRequest) -> None:
    """Alembic only by whoever migrates: 18 MB. httpx only where keys are a JWK set."""
    url = request.getfixturevalue(database)
    loaded = []
    for _ in range(2):
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", OPEN, url, stdout=asyncio.subprocess.PIPE)
        loaded.append((await process.communicate())[0].decode().split())
    assert loaded == [["alembic"], []]
