"""What the written contract says of a notification's address and of cursors.

Spelt out here, without the service's code, so that a mix-up in the service does not mislead the judge.
"""

import hashlib
import string
from collections.abc import Iterable, Mapping
from typing import Any

from notify_sse.core.cursor import Cursor

SAFE = frozenset((string.ascii_letters + string.digits + "_-").encode())


def channel_of(document: Mapping[str, Any]) -> str:
    """The channel that a notification belongs to."""
    return f"topic:{document['topic']}" if "topic" in document else f"recipient:{document['recipient_id']}"


def channels_of(recipient: str, topics: Iterable[str]) -> frozenset[str]:
    """What a client of `recipient` may read, when `topics` are granted and named."""
    return frozenset((f"recipient:{recipient}", "topic:all", *(f"topic:{topic}" for topic in topics)))


def key_of(document: Mapping[str, Any]) -> str:
    """The routing key that the contract asks for."""
    kind = document["notification_type"]
    if "topic" in document:
        return f"topic.{document['topic']}.{kind}"
    raw = document["recipient_id"].encode()
    encoded = "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in raw)
    if len(encoded) > 150:
        encoded = "~" + hashlib.sha256(raw).hexdigest()
    return f"recipient.{encoded}.{kind}"


def cursor_of(text: str) -> Cursor:
    """A cursor that the service said. AssertionError when it is none."""
    epoch, _, position = text.rpartition(".")
    assert epoch, f"not a cursor: {text!r}"
    assert position.isdecimal(), f"not a cursor: {text!r}"
    return Cursor(epoch, int(position))
