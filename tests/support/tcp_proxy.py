"""A TCP proxy inside the test, to cut or silence a connection between a client and a server."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class TcpProxy:
    """Carries bytes both ways until told otherwise."""

    def __init__(self, target_port: int) -> None:
        self.port = 0
        self.accepted = 0
        self.bytes_per_s = 0
        """How much goes from the server to all clients together; 0: as much as there is."""
        self._line = asyncio.Lock()
        self._target_port = target_port
        self._writers: list[asyncio.StreamWriter] = []
        self._flowing = asyncio.Event()
        self._flowing.set()

    def cut(self) -> None:
        """Reset every connection; new ones are accepted."""
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def silence(self) -> None:
        """Carry nothing more, and accept and close nothing: what a dead network looks like."""
        self._flowing.clear()

    def resume(self) -> None:
        self._flowing.set()

    async def attempts(self, count: int) -> None:
        """Wait until `count` more connections were accepted."""
        until = self.accepted + count
        async with asyncio.timeout(100):
            while self.accepted < until:  # noqa: ASYNC110  a counter has no event
                await asyncio.sleep(0.05)

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.accepted += 1
        self._writers.append(writer)
        try:
            await self._flowing.wait()
            to_server = await asyncio.open_connection("127.0.0.1", self._target_port)
            self._writers.append(to_server[1])
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, to_server[1]))
                group.create_task(self._pipe(to_server[0], writer, slow=True))
        except* (OSError, RuntimeError):
            pass
        finally:
            writer.transport.abort()

    async def _pipe(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, slow: bool = False) -> None:
        try:
            while chunk := await reader.read(65536):
                await self._flowing.wait()
                if slow and self.bytes_per_s:
                    async with self._line:  # the time that the bytes take on the line
                        await asyncio.sleep(len(chunk) / self.bytes_per_s)
                writer.write(chunk)
                await writer.drain()
        finally:
            writer.close()


@contextlib.asynccontextmanager
async def tcp_proxy(target_port: int) -> AsyncIterator[TcpProxy]:
    """A proxy on a free port in front of `target_port`."""
    proxy = TcpProxy(target_port)
    carrying: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(proxy.carry(reader, writer))
        carrying.add(task)
        task.add_done_callback(carrying.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        proxy.resume()
        proxy.cut()
        for task in tuple(carrying):
            task.cancel()
        await asyncio.gather(*carrying, return_exceptions=True)
