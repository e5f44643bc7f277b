"""As much of an HTTP/1.1 client as the load needs: one request at a time on a connection that is kept."""

import asyncio
from collections.abc import Mapping


class Connection:
    """One connection to a port of this machine, opened when it is needed and again after each failure."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(
        self, method: str, path: str, *, headers: Mapping[str, str] | None = None, body: bytes = b"", within_s: float
    ) -> tuple[int, bytes]:
        """Status and body. OSError, EOFError or TimeoutError when there is no whole answer: it may be carried out."""
        try:
            async with asyncio.timeout(within_s):
                if self._streams is None:
                    self._streams = await asyncio.open_connection("127.0.0.1", self.port)
                reader, writer = self._streams
                lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", f"Content-Length: {len(body)}"]
                lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
                writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
                return await self._answer(reader)
        except RuntimeError as exc:  # uvloop, on a connection that was lost while it was idle
            self.close()
            raise ConnectionResetError from exc
        except BaseException:
            self.close()
            raise

    async def _answer(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.split("\r\n")
        given = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        if given.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(await reader.readline(), 16):
                body += await reader.readexactly(size)
                await reader.readexactly(2)
            await reader.readline()
        else:
            body = await reader.readexactly(int(given.get("content-length", "0")))
        if given.get("connection", "").lower() == "close":
            self.close()
        return int(status.split(" ")[1]), body

    def close(self) -> None:
        if self._streams:
            self._streams[1].transport.abort()
        self._streams = None


async def fetch(
    port: int, path: str, *, within_s: float, headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    """GET on a connection of its own."""
    connection = Connection(port)
    try:
        return await connection.request("GET", path, headers=headers, within_s=within_s)
    finally:
        connection.close()
