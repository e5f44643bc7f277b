"""Seeded bugs in how the door takes publishes, and goes on behind them."""

from typing import Final

from tests.mutants.door_bugs import door_bug

BUGS: Final = (
    door_bug(
        "any length taken",
        "a length is digits, as everybody reads them",
        "head:_publish",
        "or not _LENGTH.fullmatch(lengths[0])",
        'or not lengths[0].strip(b"+").isdigit()',
    ),
    door_bug(
        "chunks behind a length",
        "a publish has a length, and no encoding",
        "head:_publish",
        "foreign=_FOREIGN_TO_PUBLISH",
        "foreign=frozenset()",
    ),
    door_bug(
        "body read beyond its end",
        "what comes behind a body is the next request",
        "publish:PublishTransport.data_received",
        "part, behind = data[: self._left], data[self._left :]",
        'part, behind = data, b""',
    ),
    door_bug(
        "next request lost",
        "what came behind a publish is read when it is answered",
        "door:Door.go_on",
        "if behind:",
        "if False:",
    ),
    door_bug(
        "bodies ahead without a limit",
        "what the app does not ask for is not read without end",
        "publish:PublishTransport.data_received",
        "if self._behind or len(self._body) > MAX_AHEAD_BYTES:",
        "if self._behind:",
    ),
    door_bug(
        "never listened to again",
        "who was not listened to is heard again",
        "publish:PublishTransport._listen",
        "if not self._transport.is_closing():",
        "if False:",
    ),
    door_bug(
        "rest of a body read as a request",
        "a body that is not whole ends its connection",
        "publish:PublishTransport.finish",
        "if closes or self.closes or self._left:",
        "if closes or self.closes:",
    ),
    door_bug(
        "kept after the last answer",
        "an answer that says so ends its connection",
        "exchange:PublishExchange._closes",
        "self._publish.closes = True",
        "pass",
    ),
    door_bug(
        "kept at the end of the process",
        "at the end a connection closes with its answer",
        "door:Doors.close_silent",
        "self._closing = True",
        "pass",
    ),
    door_bug(
        "publish kept by a lost socket",
        "an app that waits for a body goes on when its client is lost",
        "publish:PublishTransport._gone",
        "self._hear()",
        "pass",
    ),
    door_bug(
        "publish counted after its end",
        "a socket that is lost is counted no more",
        "publish:PublishTransport.connection_lost",
        "self._sockets.arrivals.leave(self._transport)",
        "pass",
    ),
    door_bug(
        "half-closed publisher not answered",
        "a client that has ended its side may wait for its answer",
        "publish:PublishTransport.eof_received",
        "return True",
        "return False",
    ),
    door_bug(
        "whole answer cut",
        "an answer that is whole is not cut for what comes after it",
        "exchange:Exchange.serve",
        "if not self._ended:",
        "if True:",
    ),
)
