"""Which hosts a URL of Postgres names: the one reading of it that `checks` and the adapter share.

As libpq and asyncpg read it: several hosts with their ports (`h1:5432,h2:5433`), and `host` and `port` in the query,
where a host may be the folder of a socket. Pure.
"""

from urllib.parse import parse_qsl, unquote, urlencode

from notify_sse.config.hosts import MAX_PORT, is_host


def options_of(url: str) -> dict[str, str]:
    """The query of `url`."""
    return dict(parse_qsl(url.partition("?")[2], keep_blank_values=True))


def hosts_of(url: str) -> list[str]:
    """The hosts that `url` names; empty when it names none.

    Raises `ValueError` for a URL that cannot be read, such as one with a character in its password that is not
    percent-encoded. The message holds nothing of `url`.
    """
    options = options_of(url)
    _, _, rest = url.partition("?")[0].partition("://")
    _, _, places = rest.partition("/")[0].rpartition("@")
    found = [_host(place) for place in places.split(",")] if places else []
    for port in options.get("port", "").split(","):
        _check_port(port)
    hosts = [unquote(host) for host in found if host] or [host for host in options.get("host", "").split(",") if host]
    for host in hosts:
        if not host.startswith(("/", "@")) and not is_host(host):  # folders of sockets, the second kind abstract
            raise ValueError("a host cannot be one")
    return hosts


def each_host(url: str) -> list[str]:
    """`url` once for each host that it names, in order, with that one only."""
    place, _, query = url.partition("?")
    scheme, _, rest = place.partition("://")
    netloc, slash, path = rest.partition("/")
    user, at, hosts = netloc.rpartition("@")
    if hosts:
        tail = f"{slash}{path}?{query}" if query else f"{slash}{path}"
        return [f"{scheme}://{user}{at}{host}{tail}" for host in hosts.split(",")]
    options = options_of(url)
    named, ports = options.pop("host", "").split(","), options.pop("port", "").split(",")
    if len(ports) == 1:
        ports *= len(named)
    if len(named) == 1 or len(ports) != len(named):
        return [url]
    return [
        f"{place}?{urlencode(options | {'host': host} | ({'port': port} if port else {}))}"
        for host, port in zip(named, ports, strict=True)
    ]


def _host(place: str) -> str:
    if place.startswith("["):
        host, closed, port = place[1:].partition("]")
        if not closed or (port and not port.startswith(":")):
            raise ValueError("an address in brackets is not closed")
        port = port[1:]
    else:
        host, _, port = place.partition(":")
    _check_port(port)
    return host


def _check_port(port: str) -> None:
    if port and not (port.isascii() and port.isdigit() and int(port) <= MAX_PORT):
        raise ValueError("a port is not a number")
