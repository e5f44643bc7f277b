"""The listening sockets: made once, shared by every worker, their options inherited by each accepted connection."""

import socket
from typing import Final

from notify_sse.config import Settings
from notify_sse.errors import BadConfiguration

BACKLOG: Final = 4096
SEND_BUFFER_BYTES: Final = 131_072
"""Of the kernel's memory for a client that does not read; by itself Linux would grow it to 4 MB."""
KEEPALIVE_IDLE_S: Final = 30
KEEPALIVE_INTERVAL_S: Final = 10
KEEPALIVE_PROBES: Final = 3
KERNEL_LATER_S: Final = 2.0
"""The kernel cuts off who takes nothing after the pump, which counts it as what it is, a slow consumer."""


def listen(settings: Settings) -> socket.socket:
    """Listen on HOST and PORT. Raises `BadConfiguration` when that is not possible."""
    return _listen(settings.host, settings.port, names="NOTIFY_SSE_HOST and NOTIFY_SSE_PORT", stall_s=settings.stall_s)


def listen_for_admin(settings: Settings) -> socket.socket | None:
    """Listen on ADMIN_HOST and ADMIN_PORT; None when `/admin` is on the main port. Raises as `listen`."""
    if not settings.admin_port:
        return None
    names = "NOTIFY_SSE_ADMIN_HOST and NOTIFY_SSE_ADMIN_PORT"
    return _listen(settings.admin_host, settings.admin_port, names=names, stall_s=settings.stall_s)


def _listen(host: str, port: int, *, names: str, stall_s: float) -> socket.socket:
    """A listening socket; `names` are the settings to blame.

    Linux hands these options on to accepted sockets: keepalive finds a half-open idle peer, `TCP_USER_TIMEOUT` one that
    does not take what was sent, be it gone or only reading nothing (tcp(7)).
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            without_brackets(host), port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listening_socket = socket.socket(family, socket.SOCK_STREAM)
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        listening_socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_IDLE_S)
            listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, KEEPALIVE_INTERVAL_S)
            listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, KEEPALIVE_PROBES)
            timeout_ms = int((stall_s + KERNEL_LATER_S) * 1000)
            listening_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, timeout_ms)
        listening_socket.bind(address)
        listening_socket.listen(BACKLOG)
    except OSError as exc:
        raise BadConfiguration(f"{names}: cannot listen on {host}:{port}: {exc.strerror}") from exc
    listening_socket.setblocking(False)
    return listening_socket


def without_brackets(host: str) -> str:
    """An address of IPv6 without the brackets that it has in a URL."""
    return host.removeprefix("[").removesuffix("]")


def url_of(listening_socket: socket.socket) -> str:
    """The base URL at which `listening_socket` is reached from this machine."""
    host, port = listening_socket.getsockname()[:2]
    return local_url(host, port)


def local_url(host: str, port: int) -> str:
    """The base URL at which a service that listens on `host` and `port` is reached from this machine."""
    host = without_brackets(host)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
