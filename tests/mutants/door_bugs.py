"""Seeded bugs at the door. The simulation has no sockets: the door's own tests see them."""

from typing import Final

from tests.mutants.planting import Change, Mutant


def _bug(name: str, defence: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, 0, defence, (Change(f"notify_sse.web.door.{where}", old, new),), simulated=False)


BUGS: Final = (
    _bug(
        "leave lost with the socket",
        "a socket that is lost ends its stream",
        "transport:DoorTransport.connection_lost",
        "self._leave()",
        "pass",
    ),
    _bug(
        "leave lost while admitted",
        "a client that went before its stream opened leaves it",
        "transport:DoorTransport.carry",
        "if self._lost:",
        "if False:",
    ),
    _bug(
        "half-closed client kept",
        "a client that has ended its side has gone",
        "transport:DoorTransport.eof_received",
        "self._leave()",
        "pass",
    ),
    _bug(
        "double leave",
        "a connection is left once",
        "transport:DoorTransport._leave",
        "connection, self._connection = self._connection, None",
        "connection = self._connection",
    ),
    _bug(
        "write after close",
        "nothing is written to a socket that closes",
        "transport:DoorTransport.put",
        "if not self._transport.is_closing():",
        "if True:",
    ),
    _bug(
        "writer kept waiting by a lost socket",
        "who waits for a client goes on when it is lost",
        "transport:DoorTransport.connection_lost",
        "self._resume()",
        "pass",
    ),
    _bug(
        "endless bytes on a stream",
        "a client that never stops talking is cut off",
        "transport:DoorTransport.data_received",
        "if self._unasked > MAX_UNASKED_BYTES:",
        "if False:",
    ),
    _bug(
        "head lost at the hand-over",
        "Hypercorn gets what was read at the door",
        "door:Door._hand_over",
        "protocol.data_received(self._read)",
        "pass",
    ),
    _bug(
        "only the last piece handed over",
        "a head may come in pieces",
        "door:Door.data_received",
        "self._read += data",
        "self._read = data",
    ),
    _bug(
        "no deadline for the head",
        "a head that is not complete in time ends its connection",
        "door:Doors.hear",
        "self._begun.begin(door)",
        "pass",
    ),
    _bug(
        "bytes behind the head swallowed",
        "who sends more than a head is Hypercorn's",
        "head:read",
        "if end + 2 == len(data) else Undecided.OTHER",
        "if end else Undecided.OTHER",
    ),
    _bug(
        "body not seen",
        "a request with a length or an encoding is Hypercorn's",
        "head:_parse",
        "or not _FOREIGN.isdisjoint(names)",
        "or False",
    ),
    _bug(
        "two hosts taken",
        "a request names one host",
        "head:_parse",
        'names.count(b"host") != 1',
        'names.count(b"host") < 1',
    ),
    _bug(
        "lax request line",
        "what was parsed is what stands there",
        "head:_parse",
        'if not data.startswith(b"GET %b HTTP/1.1\\r\\n" % request.target)',
        "if not request.target",
    ),
)
