"""What ends well leaves no cycles behind, and neither does what is refused, or reset: a full collection stops every
stream, so nobody who connects again and again may make one necessary.
"""

import asyncio
import os
import signal
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.support.polling import until
from tests.support.service import Service, ServiceFactory

HANDSHAKE: Final = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
)
BODY: Final = '{"recipient_id": "alice", "notification_type": "note", "payload": {}}'
ENDS: Final = "Connection: close\r\n"
LENGTH: Final = f"Content-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n{BODY}"


async def test_what_has_ended_leaves_no_cycles(tmp_path: Path, service: ServiceFactory) -> None:
    counts = tmp_path / "counts"
    running = service()
    running.kill()
    running.program = ("tests.system.leftovers", str(counts))
    running.start()
    requests = _requests(running)
    assert running.process
    sockets = _sockets(running.process.pid)
    for request in requests.values():  # what is made once is made now
        await _ask(running, request)
    await _collected(running, counts, sockets=sockets)
    left = {}
    for name, request in requests.items():
        await _ask(running, request)
        left[name] = await _collected(running, counts, sockets=sockets)
    assert left == dict.fromkeys(requests, 0)
    assert await _collected(running, counts, sockets=sockets) == 0
    for name in ("the history", "another path", "a stream", "a WebSocket"):
        await _reset(running, requests[name].replace(ENDS, ""))
        assert await _collected(running, counts, sockets=sockets) == 0, f"{name}, and a reset"


def _requests(running: Service) -> dict[str, str]:
    reads = f"Host: x\r\nAuthorization: Bearer {running.token('alice')}\r\n"
    publishes = f"Host: x\r\nAuthorization: Bearer {running.token('p', scope='notifications:publish')}\r\n"
    return {
        "a stream": f"GET /notifications/stream HTTP/1.1\r\n{reads}\r\n",
        "a WebSocket": f"GET /notifications/ws HTTP/1.1\r\n{reads}{HANDSHAKE}\r\n",
        "the history": f"GET /notifications/history HTTP/1.1\r\n{reads}{ENDS}\r\n",
        "a publish": f"POST /notifications HTTP/1.1\r\n{publishes}{LENGTH}",
        "another path": f"POST /nowhere HTTP/1.1\r\nHost: x\r\n{ENDS}{LENGTH}",
        "no token": f"GET /notifications/history HTTP/1.1\r\nHost: x\r\n{ENDS}\r\n",
        "a stream without a token": "GET /notifications/stream HTTP/1.1\r\nHost: x\r\n\r\n",
        "too many fields": "GET / HTTP/1.1\r\nHost: x\r\n" + "a:\r\n" * 3000 + "\r\n",
        "a head that cannot be read": "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n",
        "more behind the last request": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + "\0" * 450,
    }


async def _ask(running: Service, request: str) -> None:
    """And take all of the answer."""
    reader, writer = await asyncio.open_connection("127.0.0.1", running.port)
    writer.write(request.encode())
    assert await (reader.read() if ENDS in request else reader.read(65_536))
    writer.close()


async def _reset(running: Service, request: str) -> None:
    """Ask, and reset the connection once the answer has come, unread."""
    loop = asyncio.get_running_loop()
    with socket.socket() as client:
        client.setblocking(False)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await loop.sock_connect(client, ("127.0.0.1", running.port))
        await loop.sock_sendall(client, request.encode())
        came = asyncio.Event()
        loop.add_reader(client, came.set)
        await came.wait()
        loop.remove_reader(client)


async def _collected(running: Service, counts: Path, *, sockets: int) -> int:
    """How many objects only the collector could find, once the service has closed all but its own `sockets`."""
    assert running.process
    pid = running.process.pid
    await until(lambda: _sockets(pid) <= sockets, what="the end of the connection", within_s=15)
    before = _lines(counts)
    os.kill(pid, signal.SIGUSR2)
    await until(lambda: len(_lines(counts)) > len(before), what="the collector", within_s=15)
    return int(_lines(counts)[-1])


def _lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def _sockets(pid: int) -> int:
    found = 0
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(FileNotFoundError):
            found += str(file.readlink()).startswith("socket:")
    return found
