"""Worker processes and the pipe to them: the controller calls, the worker answers, in MessagePack over a socket pair.

Both ends are in this module. A worker runs a module whose `handlers()` names what can be called. It runs on uvloop; the
clients switch the garbage collector off once they are set up, so that its pauses are not taken for the server's.
"""

import asyncio
import importlib
import socket
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, Self

import msgspec
import uvloop

from notify_sse.errors import WorkerFailed
from notify_sse.server.files import raise_file_limit

LENGTH_BYTES: Final = 4
STOP_TIMEOUT_S: Final = 5.0
Handlers = Mapping[str, Callable[..., Awaitable[Any]]]


class Pipe:
    """One end of a socket pair, for messages."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def on(cls, sock: socket.socket) -> Self:
        """A pipe on `sock`."""
        return cls(*await asyncio.open_connection(sock=sock))

    def write(self, message: Any) -> None:
        """Send one message. Does not wait."""
        data = msgspec.msgpack.encode(message)
        self._writer.write(len(data).to_bytes(LENGTH_BYTES) + data)

    async def read(self) -> Any:
        """The next message. Raises `asyncio.IncompleteReadError` when the other end is closed."""
        length = int.from_bytes(await self._reader.readexactly(LENGTH_BYTES))
        return msgspec.msgpack.decode(await self._reader.readexactly(length))

    def close(self) -> None:
        """Close this end: the other one reads the end."""
        self._writer.close()


class Worker:
    """A worker process, as the controller sees it."""

    def __init__(self, process: asyncio.subprocess.Process, pipe: Pipe) -> None:
        self.pid = process.pid
        self._process = process
        self._pipe = pipe
        self._answers: dict[int, asyncio.Future[Any]] = {}
        self._count = 0
        self._reading = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, module: str) -> Self:
        """A process that runs the handlers of `module`."""
        ours, theirs = socket.socketpair()
        with theirs:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", __name__, module, str(theirs.fileno()), pass_fds=(theirs.fileno(),)
            )
        return cls(process, await Pipe.on(ours))

    async def call(self, method: str, **arguments: Any) -> Any:
        """Call a handler; calls may overlap. Raises `WorkerFailed`."""
        self._count += 1
        answer = self._answers[self._count] = asyncio.get_running_loop().create_future()
        self._pipe.write((self._count, method, arguments))
        if self._reading.done():
            raise WorkerFailed(f"the load tool's process {self.pid} has ended")
        return await answer

    async def stop(self) -> None:
        """End it."""
        self._pipe.close()
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()
        await self._reading

    async def _read(self) -> None:
        try:
            while True:
                number, value, error = await self._pipe.read()
                answer = self._answers.pop(number)
                if answer.done():
                    continue
                if error is None:
                    answer.set_result(value)
                else:
                    answer.set_exception(WorkerFailed(error))
        except (asyncio.IncompleteReadError, ConnectionError):
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(WorkerFailed(f"the load tool's process {self.pid} ended unexpectedly"))


async def _work(handlers: Handlers, sock: socket.socket) -> None:
    pipe = await Pipe.on(sock)
    tasks: set[asyncio.Task[None]] = set()

    async def answer(number: int, method: str, arguments: dict[str, Any]) -> None:
        try:
            pipe.write((number, await handlers[method](**arguments), None))
        except Exception as exc:  # noqa: BLE001 - the controller is told, whatever it is
            pipe.write((number, None, f"{method}: {type(exc).__name__}: {exc}"))

    while True:
        try:
            call = await pipe.read()
        except (asyncio.IncompleteReadError, ConnectionError):
            break
        task = asyncio.create_task(answer(*call))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    pipe.close()


def main(module: str, fileno: str) -> None:
    """The worker's process."""
    raise_file_limit()

    async def run() -> None:
        await _work(importlib.import_module(module).handlers(), socket.socket(fileno=int(fileno)))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


if __name__ == "__main__":
    main(*sys.argv[1:])
