"""JSON lines from standard input, in batches of what is there, with a progress bar.

A batch never waits to be full: `tail -f log | notify-sse publish` publishes each line as it comes.
"""

import asyncio
import io
import os
import stat
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import IO, Any, Final, Self, cast

import click
import msgspec

from notify_sse.errors import BadNotification

MAX_BATCH: Final = 500
READ_BYTES: Final = 65_536
READ_AHEAD: Final = 8
"""How many reads may wait to be published."""
BAR_FROM_LINES: Final = 500
"""Fewer are done before a bar could be read."""


class Line(msgspec.Struct, frozen=True):
    """One notification to publish, where it stood, and how many bytes it took there."""

    number: int
    document: dict[str, Any]
    size: int = 0

    @property
    def place(self) -> str:
        """For messages; empty when it was not a line."""
        return f"line {self.number}: " if self.number else ""


async def batches(stream: IO[bytes]) -> AsyncIterator[list[tuple[int, bytes]]]:
    """The numbered lines of `stream`, at most `MAX_BATCH` at a time, as they come. Blank lines are left out."""
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[list[bytes] | None] = asyncio.Queue()
    room = threading.Semaphore(READ_AHEAD)

    def read() -> None:
        """In a thread of its own that nobody waits for: a read from a terminal cannot be cancelled."""
        for lines in _chunks(stream):
            room.acquire()
            loop.call_soon_threadsafe(ready.put_nowait, lines)
        loop.call_soon_threadsafe(ready.put_nowait, None)

    threading.Thread(target=read, daemon=True).start()
    number, waiting, ended = 0, list[tuple[int, bytes]](), False
    while waiting or not ended:
        while not ended and (not waiting or not (ready.empty() or len(waiting) >= MAX_BATCH)):
            lines = await ready.get()
            ended = lines is None
            if lines is not None:
                room.release()
                waiting += [(at, raw) for at, raw in enumerate(lines, number + 1) if raw.strip()]
                number += len(lines)
        batch, waiting = waiting[:MAX_BATCH], waiting[MAX_BATCH:]
        if batch:
            yield batch


def _chunks(stream: IO[bytes]) -> Iterator[list[bytes]]:
    """All lines of `stream`, as many at a time as are there, each with its end."""
    read_some = cast("io.BufferedReader", stream).read1
    begun: list[bytes] = []
    while some := read_some(READ_BYTES):
        lines = [*io.BytesIO(some)]
        begun.append(lines[0])
        if len(lines) > 1 or lines[0].endswith(b"\n"):
            lines[0] = b"".join(begun)
            begun = [] if lines[-1].endswith(b"\n") else [lines.pop()]
            yield lines
    if begun:
        yield [b"".join(begun)]


def parsed(number: int, raw: bytes, defaults: dict[str, Any]) -> Line:
    """The line as a notification; `defaults` fill in what it lacks. Raises `BadNotification`."""
    try:
        document = msgspec.json.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as exc:
        raise BadNotification(field=f"line {number}", reason="malformed", detail="is not JSON") from exc
    if not isinstance(document, dict):
        raise BadNotification(field=f"line {number}", reason="malformed", detail="is not a JSON object")
    addressed = "recipient_id" in document or "topic" in document
    missing = {
        name: value
        for name, value in defaults.items()
        if name not in document and not (addressed and name in ("recipient_id", "topic"))
    }
    return Line(number, document | missing, len(raw))


class Progress:
    """A bar on stderr for a long input: of bytes when its size is known, else a count.

    Shown to people only, and not where the ids are printed on the same terminal.
    """

    def __init__(self, stream: IO[bytes], *, ids_shown: bool) -> None:
        self._size = _size_of(stream)
        self._wanted = sys.stderr.isatty() and not (ids_shown and sys.stdout.isatty())
        self._bar: Any = None
        self._lines = 0
        self._bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.render_finish()

    def advance(self, lines: list[Line]) -> None:
        """`lines` are done."""
        self._lines += len(lines)
        self._bytes += sum(line.size for line in lines)
        if self._wanted and self._bar is None and self._lines > BAR_FROM_LINES:
            self._bar = self._open()
        if self._bar is not None:
            self._bar.label = f"published {self._lines}"
            self._bar.update((self._bytes if self._size else self._lines) - self._bar.pos)

    def _open(self) -> Any:
        bar: Any = click.progressbar(
            (None for _ in ()) if self._size is None else None,  # what has no length gets no percentage
            length=self._size,
            file=sys.stderr,
            show_pos=False,
        )
        bar.render_progress()
        return bar


def _size_of(stream: IO[bytes]) -> int | None:
    """The bytes still to be read, when `stream` is a file."""
    try:
        status = os.fstat(stream.fileno())
    except OSError:
        return None
    return status.st_size if stat.S_ISREG(status.st_mode) and status.st_size else None
