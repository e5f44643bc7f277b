"""The fault proxy does what its commands say, and nothing else, to the bytes that it carries."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.fault.links import Links
from tests.fault.pieces import Pacing


@asynccontextmanager
async def _echo(tmp_path: Path) -> AsyncIterator[Links]:
    """A link named `echo`, in front of a server that sends back what it gets."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await _read(reader):
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        async with Links({"echo": server.sockets[0].getsockname()[1]}, log=tmp_path / "proxy.log") as links:
            yield links
    finally:
        server.close()
        await asyncio.sleep(0.05)  # the server's handlers see the end of their connections


async def _read(reader: asyncio.StreamReader) -> bytes:
    try:
        return await reader.read(1000)
    except ConnectionError:
        return b""


async def _nothing_comes(reader: asyncio.StreamReader) -> bool:
    try:
        async with asyncio.timeout(0.3):
            await reader.readexactly(1)
    except TimeoutError:
        return True
    return False


async def test_what_is_held_comes_later_and_whole(tmp_path: Path) -> None:
    """A cut in one direction keeps the bytes, in order; the other direction goes on."""
    async with _echo(tmp_path) as links:
        reader, writer = await asyncio.open_connection("127.0.0.1", links.ports["echo"])
        writer.write(b"one")
        assert await reader.readexactly(3) == b"one"
        await links.hold("echo", ["down"])
        writer.write(b"two")
        assert await _nothing_comes(reader)
        writer.write(b"three")
        await links.flow("echo")
        assert await reader.readexactly(8) == b"twothree"
        writer.close()


async def test_what_is_dropped_never_comes_and_ends_in_a_reset(tmp_path: Path) -> None:
    """No connection goes on with a hole in what it carried; one that lost nothing does go on."""
    async with _echo(tmp_path) as links:
        port = links.ports["echo"]
        (reader, writer), (idle_reader, idle) = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
        idle.write(b"x")
        assert await idle_reader.readexactly(1) == b"x"
        await links.drop("echo")
        writer.write(b"lost")
        assert await _nothing_comes(reader)
        await links.flow("echo")
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        idle.write(b"y")
        assert await idle_reader.readexactly(1) == b"y"
        for one in (writer, idle):
            one.close()


async def test_a_reset_reaches_both_sides(tmp_path: Path) -> None:
    """The client's connection ends at once; a new one works."""
    async with _echo(tmp_path) as links:
        reader, writer = await asyncio.open_connection("127.0.0.1", links.ports["echo"])
        writer.write(b"x")
        await reader.readexactly(1)
        assert await links.reset("echo") == 1
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(1)
        assert await links.count("echo") == 0
        writer.close()
        reader, writer = await asyncio.open_connection("127.0.0.1", links.ports["echo"])
        writer.write(b"y")
        assert await reader.readexactly(1) == b"y"
        writer.close()


def test_pieces_never_overtake_each_other() -> None:
    """However the delay and the rate change meanwhile."""
    pacing = Pacing()
    due = [
        pacing.due(1.0, 100, delay_s=0.4, bytes_per_s=0),
        pacing.due(1.1, 100, delay_s=0, bytes_per_s=0),
        pacing.due(1.2, 1000, delay_s=0, bytes_per_s=1000),
        pacing.due(1.3, 1000, delay_s=0, bytes_per_s=1000),
        pacing.due(1.4, 1, delay_s=0, bytes_per_s=0),
    ]
    assert due == sorted(due)
    assert due[0] == 1.4
    assert due[3] == pytest.approx(3.2)
