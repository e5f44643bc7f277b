"""`python -m tests.comparison.pushpin PORT PUSH_PORT`: the origin behind Pushpin, and the publisher's way to it.

A GET is answered with the channel that Pushpin is to hold the stream on; a POST is handed to Pushpin, over ZeroMQ as
its own libraries do: over HTTP it takes one message for each TCP connection. Neither token nor store.
"""

import asyncio
import sys
from typing import Final, cast

import msgspec
import uvloop

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
HELD: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nGrip-Hold: stream\r\nGrip-Channel: %b\r\n"
    b"Grip-Keep-Alive: :\\n\\n; format=cstring; timeout=15\r\nContent-Length: 3\r\n\r\n:\n\n"
)
# ZMTP 3.0: signature, version, the mechanism NULL; then the command READY of a PUSH socket.
GREETING: Final = b"\xff" + bytes(8) + b"\x7f\x03\x00" + b"NULL".ljust(20, b"\0") + bytes(32)
READY: Final = b"\x04\x1a\x05READY\x0bSocket-Type\x00\x00\x00\x04PUSH"
LONG: Final = 255


def pushed(channel: bytes, body: bytes) -> bytes:
    """A message for Pushpin, as a frame of ZMTP: `body` as the data of an event on `channel`."""
    content = f"data: {body.decode()}\n\n"
    message = b"J" + msgspec.json.encode(
        {"channel": channel.decode(), "formats": {"http-stream": {"content": content}}}
    )
    size = len(message)
    return (b"\x02" + size.to_bytes(8) if size > LONG else bytes((0, size))) + message


class _Origin(asyncio.Protocol):
    """One HTTP connection, of zurl or of the publisher."""

    def __init__(self, push: asyncio.StreamWriter) -> None:
        self._push = push
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        received, answers = self._buffer + data, []
        while (head_end := received.find(b"\r\n\r\n")) >= 0:
            head = received[:head_end]
            lower = head.lower()
            at = lower.find(b"content-length:")
            after = head_end + 4 + (int(lower[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0)
            if len(received) < after:
                break
            answers.append(self._answer(head, received[head_end + 4 : after]))
            received = received[after:]
        self._buffer = received
        self._transport.write(b"".join(answers))

    def _answer(self, head: bytes, body: bytes) -> bytes:
        _, named, rest = head.split(b"\r\n", 1)[0].partition(b"to=")
        channel = rest.split(b" ", 1)[0]
        if not named:
            return OK
        if head.startswith(b"GET"):
            return HELD % channel
        self._push.write(pushed(channel, body))
        return OK


async def main(port: int, push_port: int) -> None:
    """Serve on `port` until the process is ended."""
    while True:
        try:
            reader, push = await asyncio.open_connection("127.0.0.1", push_port)
            break
        except OSError:  # Pushpin is still starting
            await asyncio.sleep(0.05)
    push.write(GREETING + READY)
    await reader.readexactly(len(GREETING))
    server = await asyncio.get_running_loop().create_server(lambda: _Origin(push), "127.0.0.1", port, backlog=4096)
    try:
        await server.serve_forever()
    finally:
        server.close()
        push.close()


if __name__ == "__main__":
    uvloop.run(main(int(sys.argv[1]), int(sys.argv[2])))
