"""What kind of body a publisher sends, by its content type and content encoding: one judgement for HTTP and AMQP.

Comes before `parse`. Pure. What is inflated is bounded while it is inflated, not afterwards.
"""

import re
import zlib
from typing import Final, Literal, NoReturn

from notify_sse.errors import BadNotification

Kind = Literal["application/json", "application/msgpack"]
JSON: Final = "application/json"
MSGPACK: Final = "application/msgpack"
CONTENT_TYPES: Final = (JSON, MSGPACK)
"""The names of the contract."""

_MEDIA_TYPE: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+/[!#$%&'*+.^_`|~0-9a-z-]+")
_JSON: Final = frozenset(
    (
        *(JSON, "text/json", "application/x-json", "text/x-json"),
        *("", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"),
    )
)
"""Beside the names of JSON, what clients say who do not think of it: Go and PHP, Java and Ruby, `curl -d`."""
_MSGPACK: Final = frozenset((MSGPACK, "application/x-msgpack", "application/vnd.msgpack"))
_AS_IT_IS: Final = frozenset(
    (
        *("", "identity", "binary", "7bit", "8bit"),
        *("utf-8", "utf8", "utf_8", "us-ascii", "ascii", "iso-8859-1", "latin1", "latin-1"),
    )
)
"""Beside HTTP's own, what AMQP libraries put there: Spring and Celery name the character set. JSON is UTF-8 whatever is
said (RFC 8259, 8.1): what is not is refused as a body.
"""
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Some clients of .NET and PowerShell begin a text with it. JSON may be read without it (RFC 8259, 8.1), and no map in
MessagePack begins so.
"""
_GZIP: Final = frozenset(("gzip", "x-gzip"))
_GZIP_WINDOW: Final = 16 + zlib.MAX_WBITS


def kind_of(content_type: str) -> Kind:
    """The kind of a body with this content type. Its parameters and its case say nothing (RFC 9110, 8.3.1).

    Raises `BadNotification` for one that is neither JSON nor MessagePack.
    """
    name = content_type.partition(";")[0].strip().lower()
    if name in _JSON or (name.endswith("+json") and _MEDIA_TYPE.fullmatch(name)):
        return JSON
    if name not in _MSGPACK:
        _refuse("content_type", "unsupported_content_type", f"must be one of {', '.join(CONTENT_TYPES)}")
    return MSGPACK


def unpacked(raw: bytes, content_encoding: str, *, max_bytes: int) -> bytes:
    """`raw` without its content encoding, which is gzip or none; after it, `max_bytes` at most.

    Raises `BadNotification` for another encoding (named), for what is not gzip, and for what is too large.
    """
    name = content_encoding.strip().lower()
    if name in _AS_IT_IS:
        return raw.removeprefix(_BYTE_ORDER_MARK)
    if name not in _GZIP:
        detail = f"is {name[:40]!a}; gzip and none are taken"
        _refuse("content_encoding", "unsupported_content_encoding", detail)
    inflater = zlib.decompressobj(_GZIP_WINDOW)
    try:
        inflated = inflater.decompress(raw, max_bytes + 1)
    except zlib.error:
        _refuse("body", "malformed", "is not gzip")
    if len(inflated) > max_bytes:
        _refuse("body", "too_large", f"is over {max_bytes} bytes when inflated")
    if not inflater.eof or inflater.unused_data:
        _refuse("body", "malformed", "is not one whole gzip member")
    return inflated.removeprefix(_BYTE_ORDER_MARK)


def _refuse(field: str, reason: str, detail: str) -> NoReturn:
    raise BadNotification(field=field, reason=reason, detail=detail)
