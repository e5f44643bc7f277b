"""Whose request it is, by address: the peer of the socket, or the client that a trusted proxy names.

A header is believed as far as the proxies that wrote it are: read from its end, the first hop that is no trusted proxy
is the client, and what stands before it is only what that client says. What cannot be read names nobody: then it is
the peer's request. docs/how-to/deploy.md says what the proxies have to send (RFC 7239; X-Forwarded-For has no RFC).
"""

import ipaddress
import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, Final

from starlette.types import Scope

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

IPV6_PREFIX: Final = 64
"""A client has a whole network of this size to choose addresses from (RFC 6177): it counts as one."""
_FOR: Final = re.compile(r'(?:^|;)\s*for=(?:"([^"\\]*)"|([^";\s]*))\s*(?:$|;)', re.IGNORECASE)
_WITH_PORT: Final = re.compile(r"\[([0-9A-Fa-f:.]+)\](?::[0-9]{1,5})?|([0-9.]+)(?::[0-9]{1,5})?")


def counted_as(client: tuple[str, int] | None) -> str | None:
    """What the address of a client counts as: itself, or with IPv6 its /64. None when there is none."""
    if client is None:
        return None
    host = client[0]
    return _network_of(host) if ":" in host else host


@lru_cache(maxsize=4096)
def _network_of(host: str) -> str:
    address = _address(host)
    if address is None:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    return str(ipaddress.IPv6Network((int(address) >> IPV6_PREFIX << IPV6_PREFIX, IPV6_PREFIX)))


class Proxies:
    """The proxies that are trusted to say whose request it is."""

    def __init__(self, networks: Iterable[str]) -> None:
        self._networks = [ipaddress.ip_network(one, strict=False) for one in networks]
        self._trusts = lru_cache(maxsize=4096)(self._is_trusted)

    def __bool__(self) -> bool:
        return bool(self._networks)

    def trusts(self, host: str) -> bool:
        """Whether a connection from `host` is one of theirs."""
        return bool(self._networks) and self._trusts(host)

    def name_somebody(self, scope: Scope) -> bool:
        """Whether the request with this ASGI `scope` says whose it is, be it to be believed or not."""
        return any(name in (b"x-forwarded-for", b"forwarded") for name, _ in scope["headers"])

    def client_of(self, scope: Scope) -> tuple[str, int] | None:
        """The client of the request with this ASGI `scope`. A client that is named has no port that we know of."""
        peer: tuple[str, int] | None = scope.get("client")
        if peer is None or not self.trusts(peer[0]):
            return peer
        named = {
            self._first_untrusted(read(value))
            for header, read in ((b"x-forwarded-for", _forwarded_for), (b"forwarded", _forwarded))
            if (value := _joined(scope["headers"], header))
        }
        # A proxy writes one of the two, and may pass on the other as it came: two names are none.
        host = named.pop() if len(named) == 1 else ""
        return (host, 0) if host else peer

    def _first_untrusted(self, hops: Sequence[str | None]) -> str | None:
        """The nearest hop that is no proxy of ours; the farthest when all are. `""` for what cannot be read."""
        host = ""
        for hop in reversed(hops):
            address = _address(hop or "")
            if address is None:
                return ""
            host = str(address)
            if not self.trusts(host):
                break
        return host

    def _is_trusted(self, host: str) -> bool:
        address = _address(host)
        return address is not None and any(
            address.version == network.version and address in network for network in self._networks
        )


def _joined(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> str:
    """A header that may come on several lines, as one list (RFC 9110, 5.3)."""
    return ",".join(value.decode("latin-1") for given, value in headers if given == name)


def _forwarded_for(value: str) -> list[str | None]:
    return [_host(part.strip()) for part in value.split(",")]


def _forwarded(value: str) -> list[str | None]:
    # A comma in a quoted string would be none of a list: no address has one, so what is torn apart names nobody.
    found = [_FOR.search(part.strip()) for part in value.split(",")]
    return [_host(one[1] or one[2] or "") if one else None for one in found]


def _host(node: str) -> str | None:
    """The address of a hop, without its port. None for any other name: `unknown`, or one that hides it."""
    if node.count(":") > 1 and not node.startswith("["):
        return node  # IPv6 as many proxies write it, also of an IPv4 client: without brackets, and so without a port
    found = _WITH_PORT.fullmatch(node)
    return (found[1] or found[2]) if found else None


def _address(host: str) -> Address | None:
    """An address as it is: one of IPv4 that came over IPv6 is one of IPv4, and a zone is no part of it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None
    mapped: Any = getattr(address, "ipv4_mapped", None)
    return mapped or address
