"""The last moment of a process: whoever was let in is answered, however late it came."""

import asyncio
import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from notify_sse.server.listening import listen
from notify_sse.web.door import ServerLoop
from tests.server.in_process import service_in, serving, settings_of
from tests.support.api import Api, bearer, notification
from tests.support.service import Service

ENDS = 10
AWAY_S = 0.03
"""At most so long a request is on its way behind its connection."""
REQUEST = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
STREAM = (
    b"GET /notifications/stream HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\nAuthorization: Bearer %b\r\n\r\n"
)


class Callers:
    """Threads that ask all the time, and what went wrong for them."""

    def __init__(self, service: Service) -> None:
        self.wrong: list[str] = []
        self.answered = 0
        self.published: dict[str, str] = {}
        self._service = service
        self._ended = threading.Event()

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        stream = STREAM % self._service.token("alice").encode()
        work = [
            *(threading.Thread(target=self._connect, args=(one,)) for one in (REQUEST, stream) * 2),
            threading.Thread(target=self._publish),
        ]
        for one in work:
            one.start()
        try:
            yield
        finally:
            self._ended.set()
            for one in work:
                one.join()

    def _connect(self, request: bytes) -> None:
        """One connection after the other, each with a request that has to be answered."""
        while not self._ended.is_set():
            try:
                with socket.create_connection(("127.0.0.1", self._service.port), timeout=20) as peer:
                    time.sleep(random.random() * AWAY_S)
                    peer.sendall(request)
                    answer = peer.recv(1000)
            except OSError as exc:
                answer = repr(exc).encode()
            if answer.startswith(b"HTTP/1.1 200"):
                self.answered += 1
            else:
                self.wrong.append(f"{request[:24]!r}: {answer!r}")

    def _publish(self) -> None:
        """On one connection, as long as it is kept."""
        headers = bearer(self._service.token("billing", scope="notifications:publish"))
        peer = http.client.HTTPConnection("127.0.0.1", self._service.port, timeout=20)
        number = 0
        while not self._ended.is_set():
            number += 1
            body = json.dumps(notification("alice", notification_id=f"n{number}"))
            try:
                peer.request("POST", "/notifications", body, headers)
                answer = peer.getresponse()
                said = json.loads(answer.read())
                self.published[f"n{number}"] = said["cursor"]
            except (OSError, http.client.HTTPException, KeyError) as exc:
                self.wrong.append(f"POST: {exc!r}")
                peer.close()
        peer.close()


def test_nobody_who_was_let_in_goes_without_an_answer(tmp_path: Path) -> None:
    """Ten processes, one after the other, behind one listening socket, as over ten SIGHUPs. Meanwhile some ask for
    streams, and some for something else, each on a new connection every time; and one publishes on one that it keeps.
    """
    with asyncio.Runner(loop_factory=ServerLoop) as runner:
        runner.run(_ends_again_and_again(service_in(tmp_path)))


async def _ends_again_and_again(service: Service) -> None:
    with listen(settings_of(service)) as listener:
        callers = Callers(service)
        with contextlib.ExitStack() as asking:
            for number in range(ENDS):
                async with serving(service, listener.dup()):
                    if not number:
                        asking.enter_context(callers.asking())
                    await asyncio.sleep(0.05)
            async with serving(service, listener.dup()), Api(service) as api:
                await asyncio.to_thread(asking.close)
                stored = await _stored(api)
    assert not callers.wrong, "\n".join(callers.wrong)
    assert callers.answered > ENDS
    assert stored == callers.published


async def _stored(api: Api) -> dict[str, str]:
    """The cursors of all that is stored for alice, by notification_id."""
    found: dict[str, str] = {}
    after, more = "", True
    while more:
        page = (await api.history("alice", limit=500, order="asc", **({"after": after} if after else {}))).json()
        found |= {item["notification_id"]: item["cursor"] for item in page["items"]}
        after, more = page["cursor"], page["more"]
    return found
