"""An answer that was begun and never ended: there is no place for a second one."""

from typing import Any, cast

import h11
from hypercorn.events import Closed, Event
from hypercorn.protocol.events import Body, EndBody, Response

from notify_sse.web.http.version import Http1


class _Served(Http1):
    """With the head of an answer written, and nothing else. Remembers what is sent."""

    def __init__(self) -> None:
        self.connection = h11.Connection(h11.SERVER)
        self.connection.receive_data(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert [type(self.connection.next_event()) for _ in range(2)] == [h11.Request, h11.EndOfMessage]
        self.connection.send(h11.Response(status_code=200, headers=[("transfer-encoding", "chunked")]))
        self.sent: list[Event] = []
        self._doors = None
        self._is_cut_short = False
        cast(Any, self).send = self._keep

    async def _keep(self, event: Event) -> None:
        self.sent.append(event)


async def test_the_connection_ends_where_hypercorn_would_begin_a_second_answer() -> None:
    """For an app that ended while its head was being written. An error record of a task nobody has, without this."""
    served = _Served()
    await served.stream_send(Response(1, [(b"content-length", b"0")], 500))
    await served.stream_send(Body(1, b"x"))
    await served.stream_send(EndBody(1))
    assert [type(event) for event in served.sent] == [Closed]
