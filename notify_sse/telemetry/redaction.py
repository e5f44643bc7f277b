"""What must never be written down, taken out of text: tokens, and the passwords in URLs.

Pure. Everything that is logged or printed about settings passes here (`logs`, `config`); it errs on the side
of hiding too much.
"""

import re
from typing import Final

HIDDEN: Final = "***"

_URL_PASSWORD: Final = re.compile(r"(?P<before>[a-zA-Z][a-zA-Z0-9+.-]*://[^:/?#@\s]*:)[^\s\"'<>]*(?P<after>@)")
_NAMED_SECRET: Final = re.compile(
    r"(?P<before>(?:token|password|passwd|secret|notify_sse_session)"
    r"(?:%3D|[\\\"']*\s*[=:]\s*)[\\\"']*)[^&\s\\\"';,#)}\]]+",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<before>\bBearer(?:\s+|%20|\+))[^\s\"',;]+", re.IGNORECASE)
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}")


def redacted(text: str) -> str:
    """`text` with `***` in place of every token and of every password in a URL."""
    text = _JWT.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\g<before>{HIDDEN}", text)
    text = _NAMED_SECRET.sub(rf"\g<before>{HIDDEN}", text)
    return redacted_url(text)


def redacted_url(url: str) -> str:
    """`url` with `***` in place of its password, also where that stands in the query."""
    return _NAMED_SECRET.sub(rf"\g<before>{HIDDEN}", _URL_PASSWORD.sub(rf"\g<before>{HIDDEN}\g<after>", url))
