"""A service that does everything wrong that a load test has to find: it repeats, it leaves out, it cuts, it refuses."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

NUMBERS = (1, 1, 4)
"""Of what a user gets: one comes twice, two never come."""


class _Answers(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(503, b"")

    def do_GET(self) -> None:
        if "/stream" in self.path:
            self._stream()
        elif "wait=" not in self.path and "after=" not in self.path:
            self._answer(200, b'{"items": [], "cursor": "a.0"}')
        elif "wait=" in self.path and not self.server.polled:  # type: ignore[attr-defined]
            self.server.polled = True  # type: ignore[attr-defined]
            items = [{"payload": {"n": n, "sent_at": 0}} for n in NUMBERS]
            self._answer(200, json.dumps({"items": items, "cursor": "a.1"}).encode())
        else:
            self._answer(503, b"")

    def _stream(self) -> None:
        """It breaks off: the last chunk is missing."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        told = "event: connected\nid: a.0\ndata: {}\n\n"
        for n in NUMBERS:
            told += f"id: a.{n}\ndata: {json.dumps({'payload': {'n': n, 'sent_at': 0}})}\n\n"
        told += "event: heartbeat\ndata: {}\n\n"
        self.wfile.write(f"{len(told):x}\r\n{told}\r\n".encode())
        self.close_connection = True

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def bad_service() -> Iterator[str]:
    """Its address."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    server.polled = False  # type: ignore[attr-defined]
    server.daemon_threads = True
    serving = Thread(target=server.serve_forever, args=(0.05,))
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        serving.join()
        server.server_close()
