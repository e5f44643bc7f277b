"""Whether a text can be the host, the port or the place that a setting names.

What passes may still not exist, which shows when it is used. What does not pass would be an error of a library then,
without the setting's name. Pure.
"""

import ipaddress
import re
from typing import Final
from urllib.parse import urlsplit

MAX_HOST: Final = 253
MAX_PORT: Final = 65535
_HOST: Final = re.compile(r"[\w-]+(\.[\w-]+)*\.?")


def is_host(text: str) -> bool:
    """Whether `text` is an address (brackets or not), or a name that can be asked for (RFC 1123; underscores pass)."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host is text and len(host) <= MAX_HOST and bool(_HOST.fullmatch(host)) and _has_wire_form(host)
    return True


def _has_wire_form(host: str) -> bool:
    """Whether it has labels of the right lengths, also in the form that is sent (RFC 3490)."""
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def host_of(url: str) -> str:
    """The host that `url` names, "" for none. Raises `ValueError` when its host or its port cannot be one."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if parts.port == 0 or (host and not is_host(host)):
        raise ValueError("a host or a port cannot be one")
    return host


def is_origin(text: str) -> bool:
    """Whether browsers send `text` as an origin: lower case, and without the scheme's own port (RFC 6454, 6.2)."""
    found = re.fullmatch(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([1-9][0-9]{0,4}))?", text)
    if not found:
        return False
    scheme, host, port = found.groups()
    own = {"https": "443", "http": "80"}.get(scheme)
    return is_host(host) and (port is None or (port != own and int(port) <= MAX_PORT))
