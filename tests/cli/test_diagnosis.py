"""What `doctor` looks at by itself, in this process: what would stop `serve` is an error here."""

from pathlib import Path

import pytest

from notify_sse.cli import diagnosis
from notify_sse.config import Settings, read_settings
from notify_sse.server.listening import local_url, without_brackets
from tests.support.tokens import SECRET


def _settings(**given: str) -> Settings:
    environ = {"HOME": "/nonexistent"} | {f"NOTIFY_SSE_{name}": value for name, value in given.items()}
    return read_settings(environ)


@pytest.mark.parametrize(
    ("place", "level"),
    [("new", "ok"), ("new/in/new", "ok"), ("file/in", "error"), ("file/in/in", "error"), ("x" * 300, "error")],
)
async def test_a_state_directory_that_cannot_be_made_is_an_error(tmp_path: Path, place: str, level: str) -> None:
    (tmp_path / "file").touch()
    settings = _settings(STATE_DIR=str(tmp_path / place))
    assert [one.status async for one in diagnosis._state(settings)] == [level]


@pytest.mark.parametrize(
    ("host", "level"), [("127.0.0.1", []), ("[::1]", []), ("localhost", []), ("nonexistent.invalid", ["error"])]
)
async def test_a_host_that_is_no_address_is_an_error(host: str, level: list[str]) -> None:
    settings = _settings(HOST=host, JWT_SECRET=SECRET)
    assert [one.status async for one in diagnosis._address(settings)] == level


def test_brackets_of_an_address_are_no_part_of_it() -> None:
    assert without_brackets("[::1]") == "::1"
    assert local_url("[::1]", 80) == local_url("::1", 80) == "http://[::1]:80"
