"""What must never be written down, taken out of text: tokens, the passwords in URLs, and whatever is too long.

Pure. Everything that is logged or printed about settings passes here (`logs`, `config`); it errs on the side
of hiding too much.
"""

import re
from typing import Final

HIDDEN: Final = "***"
MAX_FIELD_CHARS: Final = 1024
"""Of each part of a log record: what is written of others' text costs little, however much of it there is."""

# What is redacted may be an attacker's, so every pattern is linear in its text: none can begin anew within what it has
# just looked at in vain (CWE-1333). A test holds each against hostile texts.
_URL: Final = re.compile(r"://[^\s\"'<>]+")
_USER: Final = re.compile(r"://[^:/?#@]*:")
_NAMED_SECRET: Final = re.compile(
    r"(?P<before>(?:token|ticket|password|passwd|secret|api[_-]?key|notify_sse_session)"
    r"(?:%3D|[\\\"']*\s*[=:]\s*)[\\\"']*)[^&\s\\\"';,#)}\]]+",
    re.IGNORECASE,
)
_BEARER: Final = re.compile(r"(?P<before>\bBearer(?:\s+|%20|\+))[^\s\"',;]+", re.IGNORECASE)
_BASIC: Final = re.compile(
    r"(?P<before>\bBasic(?:\s{1,8}|%20|\+))(?=[a-z]*[A-Z0-9+/=])[A-Za-z0-9+/_-]{4,}={0,2}", re.ASCII
)
_JWT: Final = re.compile(r"\beyJ[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,4}")


def redacted(text: str) -> str:
    """`text` with `***` in place of every token and of every password in a URL."""
    text = _JWT.sub(HIDDEN, text)
    text = _BEARER.sub(rf"\g<before>{HIDDEN}", text)
    text = _BASIC.sub(rf"\g<before>{HIDDEN}", text)
    text = _NAMED_SECRET.sub(rf"\g<before>{HIDDEN}", text)
    return redacted_url(text)


def redacted_url(url: str) -> str:
    """`url` with `***` in place of its password, also where that stands in the query."""
    return _NAMED_SECRET.sub(rf"\g<before>{HIDDEN}", _URL.sub(_without_password, url))


def _without_password(found: re.Match[str]) -> str:
    """From the colon behind the user's name to the last `@`: a password may hold any character of a URL."""
    url = found[0]
    end = url.rfind("@")
    user = _USER.search(url, 0, max(0, end))
    return f"{url[: user.end()]}{HIDDEN}{url[end:]}" if user else url


def clipped(text: str, *, limit: int = MAX_FIELD_CHARS) -> str:
    """The first `limit` characters of `text`. A URL that is cut goes whole: without its `@`, nobody sees where a
    password begins.
    """
    if len(text) <= limit:
        return text
    head = text[:limit]
    for found in _URL.finditer(head):
        if found.end() == limit:
            head = head[: found.start() + len("://")]
    return f"{head}… ({len(text)} characters)"
