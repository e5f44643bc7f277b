"""Channels: what a stream reads. `recipient:<id>` is one recipient's, `topic:<name>` is shared.

`topic:all` is read by every stream.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final

RECIPIENT: Final = "recipient:"
TOPIC: Final = "topic:"
EVERYONE: Final = "topic:all"
"""The channel that every stream reads."""

MAX_KEY_PART_BYTES: Final = 150
_KEY_SAFE: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-")
_KEY_PART: Final = re.compile(rf"[A-Za-z0-9_-]{{0,{MAX_KEY_PART_BYTES}}}")
"""What stands in a key as it is."""


def recipient_channel(recipient_id: str) -> str:
    """The channel of one recipient's notifications."""
    return RECIPIENT + recipient_id


def topic_channel(topic: str) -> str:
    """The channel of a shared topic."""
    return TOPIC + topic


def named_topics(channels: Iterable[str]) -> tuple[str, ...]:
    """The topics among `channels` that a client has to name: all but the one that everybody reads."""
    return tuple(name.removeprefix(TOPIC) for name in channels if name.startswith(TOPIC) and name != EVERYONE)


def routing_key(channel: str, notification_type: str) -> str:
    """The AMQP routing key of a notification: `recipient.<recipient>.<type>` or `topic.<name>.<type>`.

    In it a recipient is percent-encoded (everything but `[A-Za-z0-9_-]`); when that is over 150 bytes it is `~`
    and the SHA-256 of the recipient in hex.
    """
    kind, _, name = channel.partition(":")
    part = _key_part(name) if kind == "recipient" else name
    return f"{kind}.{part}.{notification_type}"


def _key_part(recipient_id: str) -> str:
    if _KEY_PART.fullmatch(recipient_id):
        return recipient_id
    raw = recipient_id.encode()
    part = "".join(chr(byte) if byte in _KEY_SAFE else f"%{byte:02X}" for byte in raw)
    return part if len(part) <= MAX_KEY_PART_BYTES else "~" + hashlib.sha256(raw).hexdigest()
