"""The stamp in every payload, which the clients search for: run, channel, number and due time.

It has a fixed width, so a client finds it with one search and two slices, whatever server wrapped it. Numbers count
from 0 in each channel, so a client sees a loss, a repeat or a disorder at once. An example:
`"bench":"0123abcdr0000000004…` is run `0123abcd`, a recipient's channel (`r`), number 4.
"""

from typing import Final

RECIPIENT: Final = b"r"
TOPIC: Final = b"t"
KIND_AT: Final = 0
NUMBER: Final = slice(1, 11)
DUE: Final = slice(11, 30)
STAMP_CHARS: Final = 30
_TYPE: Final = "bench"


def mark(run: str) -> bytes:
    """The text before each stamp of `run`."""
    return b'"bench":"%b' % run.encode()


def stamped(run: str, kind: bytes, number: int, due_ns: int) -> bytes:
    """The mark and the stamp, to stand in a payload; a closing quote follows."""
    return b"%b%b%010d%019d" % (mark(run), kind, number, due_ns)


class Bodies:
    """The JSON documents of one run. `filler` bytes of text pad each payload."""

    def __init__(self, run: str, *, filler: int) -> None:
        self.run = run
        self._filler = b"x" * filler

    def recipient(self, name: str, number: int, due_ns: int) -> bytes:
        """For one recipient."""
        return self._body(b'"recipient_id":"%b"' % name.encode(), f"{name}.{number}", RECIPIENT, number, due_ns)

    def topic(self, name: str, number: int, due_ns: int) -> bytes:
        """For everyone who reads the topic."""
        notification_id = f"{self.run}-{name}.{number}"
        return self._body(b'"topic":"%b"' % name.encode(), notification_id, TOPIC, number, due_ns)

    def _body(self, to: bytes, notification_id: str, kind: bytes, number: int, due_ns: int) -> bytes:
        return b'{"notification_id":"%b","notification_type":"%b",%b,"payload":{%b","text":"%b"}}' % (
            notification_id.encode(),
            _TYPE.encode(),
            to,
            stamped(self.run, kind, number, due_ns),
            self._filler,
        )


def recipient_name(run: str, index: int) -> str:
    """The recipient of the stream number `index`."""
    return f"{run}-{index}"


def notification_type() -> str:
    """The type of every notification of a run."""
    return _TYPE
