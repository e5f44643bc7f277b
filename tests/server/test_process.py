"""How the parts of a process are wired."""

from pathlib import Path

from notify_sse.config import read_settings
from notify_sse.server.process import Process
from tests.auth.tokens import SECRET


async def test_every_connect_to_the_broker_asks_the_log(tmp_path: Path) -> None:
    """What was announced meanwhile is lost; the once-a-second comparison would find it, but a second later."""
    environ = {"NOTIFY_SSE_DATABASE_URL": f"sqlite:///{tmp_path / 'log.db'}"}
    process = Process(read_settings(environ, jwt_secret=SECRET))
    assert not process.relay._wanted.is_set()
    process._connected()
    assert process.relay._wanted.is_set()
