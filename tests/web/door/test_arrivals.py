"""Sockets are counted when they are accepted, whoever serves them, and uncounted at their end."""

import asyncio
from typing import Any

import pytest

from notify_sse.web.door import Door, Doors, Paths
from notify_sse.web.door import arrivals as module
from notify_sse.web.door.arrivals import REFUSED_AT_ONCE, Arrivals
from notify_sse.web.limits.address import Proxies
from tests.support.polling import until
from tests.web.door.doubles import HandTransport, Hypercorns
from tests.web.door.heads import head, publish, upgrade

SERVER = ("10.0.0.2", 8000)


class _From(HandTransport):
    """A socket from an address."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self.peer = (host, port)

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"peername": self.peer, "sockname": SERVER}.get(name, default)


def _enter(arrivals: Arrivals, *peers: tuple[str, int]) -> list[_From]:
    sockets = [_From(*peer) for peer in peers]
    for socket in sockets:
        arrivals.enter(socket)
    return sockets


def _limits(arrivals: Arrivals, sockets: list[_From]) -> list[str | None]:
    return [arrivals.limit_of(socket.peer, SERVER) for socket in sockets]


async def test_one_too_many_is_over_the_limit_until_another_ends() -> None:
    limited: list[str] = []
    arrivals = Arrivals(most=2, on_limited=limited.append)
    sockets = _enter(arrivals, ("192.0.2.1", 1), ("192.0.2.2", 1), ("192.0.2.3", 1))
    assert _limits(arrivals, sockets) == [None, None, "max_connections"]
    assert len(arrivals) == 2
    arrivals.leave(sockets[2])
    arrivals.leave(sockets[0])
    arrivals.leave(sockets[0])
    assert len(arrivals) == 1
    assert _limits(arrivals, _enter(arrivals, ("192.0.2.4", 1), ("192.0.2.5", 1))) == [None, "max_connections"]
    assert limited == ["max_connections"] * 2


async def test_an_address_at_its_limit_costs_others_nothing() -> None:
    """IPv6 counts by /64."""
    arrivals = Arrivals(per_address=2)
    sockets = _enter(
        arrivals, *[("192.0.2.1", n) for n in range(3)], ("192.0.2.2", 1), *[(f"2001:db8::{n}", n) for n in range(3)]
    )
    over = "max_connections_per_address"
    assert _limits(arrivals, sockets) == [None, None, over, None, None, None, over]
    for socket in sockets:
        arrivals.leave(socket)
    assert len(arrivals) == 0
    assert _limits(arrivals, _enter(arrivals, ("192.0.2.1", 7))) == [None]


async def test_a_socket_that_is_refused_has_little_time_and_beyond_a_number_none_at_all() -> None:
    """Whoever has none is told of all the same, since nobody else will."""
    arrivals = Arrivals(most=1)
    cut_off: list[tuple[str, str]] = []
    arrivals.on_cut_off = lambda address, limit: cut_off.append((address, limit))
    sockets = _enter(arrivals, *[("192.0.2.1", n) for n in range(REFUSED_AT_ONCE + 2)])
    assert cut_off == [("192.0.2.1", "max_connections")]
    assert [socket.aborted for socket in sockets] == [*[False] * (REFUSED_AT_ONCE + 1), True]
    async with asyncio.timeout(30):
        await sockets[1].closed.wait()
    assert sockets[1].aborted
    assert not sockets[0].aborted


async def test_a_proxys_sockets_count_for_whom_they_serve() -> None:
    """And for nobody between two requests."""
    arrivals = Arrivals(per_address=1, proxies=Proxies(["10.0.0.0/8"]))
    first, second = _enter(arrivals, ("10.0.0.1", 1), ("10.0.0.1", 2))
    assert _limits(arrivals, [first, second]) == [None, None]

    def serve(socket: _From, address: str | None) -> str | None:
        return arrivals.serve(socket.peer, SERVER, address=address)

    assert serve(first, "203.0.113.9") is None
    assert serve(second, "203.0.113.8") is None
    assert serve(second, "203.0.113.9") == "max_connections_per_address"
    assert serve(first, None) is None
    assert serve(second, "203.0.113.9") is None
    arrivals.leave(second)
    assert serve(first, "203.0.113.9") is None
    assert serve(second, "203.0.113.9") is None, "it has gone: nothing is counted for it"


async def test_a_socket_that_went_before_it_was_looked_at_is_not_counted() -> None:
    arrivals = Arrivals(most=1)
    gone = _From("192.0.2.1", 1)
    gone.peer = None  # type: ignore[assignment]
    arrivals.enter(gone)
    arrivals.leave(gone)
    assert len(arrivals) == 0


async def test_every_socket_is_uncounted_by_whoever_had_it_last() -> None:
    """The door, the stream that it serves, the WebSocket, the publish, and Hypercorn."""

    async def app(*_: object) -> None:
        await asyncio.Event().wait()

    arrivals = Arrivals()
    paths = Paths(stream=b"/s", websocket=b"/w", publish=b"/p")
    doors = Doors(app, paths=paths, request_timeout_s=0, keep_alive_s=0, arrivals=arrivals)
    heads = (
        b"",
        head(start=b"GET /s HTTP/1.1"),
        upgrade(start=b"GET /w HTTP/1.1"),
        publish(start=b"POST /p HTTP/1.1"),
        b"POST / HTTP/1.1\r\n",
    )
    sockets = [_From("192.0.2.1", n) for n in range(len(heads))]
    for socket, said in zip(sockets, heads, strict=True):
        door = Door(doors, Hypercorns)
        socket.set_protocol(door)
        door.connection_made(socket)
        if said:
            door.data_received(said)
    assert len({type(socket.protocol) for socket in sockets}) == len(arrivals) == 5
    for left, socket in enumerate(sockets):
        protocol: Any = socket.protocol
        protocol.connection_lost(None)
        assert len(arrivals) == 4 - left
    assert doors.sockets.passed_on == 1
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        task.cancel()


async def test_what_lasts_ends_once_more_stands_behind_it_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that reads no further would hear neither of the client's end nor of its going on."""
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    arrivals = Arrivals()
    (transport,) = _enter(arrivals, ("192.0.2.1", 1))
    arrivals.hand_over(transport)
    with arrivals.ends_with(transport.peer, SERVER):
        for _ in range(3):
            await asyncio.sleep(0.002)
        assert not transport.aborted
        transport.pause_reading()
        await until(lambda: transport.aborted)


async def test_what_is_over_is_not_looked_at_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its connection goes on: a request that is not read at once, such as a large body, is nobody's fault."""
    monkeypatch.setattr(module, "LOOK_S", 0.001)
    arrivals = Arrivals()
    (transport,) = _enter(arrivals, ("192.0.2.1", 1))
    arrivals.hand_over(transport)
    with arrivals.ends_with(transport.peer, SERVER):
        await asyncio.sleep(0)
    transport.pause_reading()
    await asyncio.sleep(0.01)
    arrivals.take_back(transport)
    assert not transport.aborted
