"""Whose request it is: proxies that are trusted are believed, as far as they are trusted, and nobody else."""

from typing import Any

import pytest

from notify_sse.web.limits.address import Proxies, counted_as

PEER = ("10.0.0.1", 4711)
TRUSTED = ("10.0.0.0/8", "192.0.2.7", "fd00::/8")


def _client(*headers: tuple[str, str], peer: Any = PEER, trusted: tuple[str, ...] = TRUSTED) -> Any:
    lines = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    found = Proxies(trusted).client_of({"client": peer, "headers": lines})
    return found[0] if found else None


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("203.0.113.9:51234", "203.0.113.9"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ("::ffff:203.0.113.9", "203.0.113.9"),  # nginx that listens on both families with one socket
        ("198.51.100.7, ::ffff:10.0.0.3", "198.51.100.7"),
        # The first from the right that is no proxy of ours. What is left of it, the client said.
        ("198.51.100.1, 203.0.113.9", "203.0.113.9"),
        ("127.0.0.1, 203.0.113.9, 10.2.3.4, 192.0.2.7", "203.0.113.9"),
        ("garbage, 203.0.113.9", "203.0.113.9"),
        ("10.9.9.9, 10.1.1.1", "10.9.9.9"),  # all are: the farthest
        ("203.0.113.9, fd00::5", "203.0.113.9"),
        # What cannot be read names nobody.
        ("203.0.113.9, garbage", "10.0.0.1"),
        ("203.0.113.9, ", "10.0.0.1"),
        ("203.0.113.9 10.1.1.1", "10.0.0.1"),
        ("203.0.113.999", "10.0.0.1"),
        ("unknown", "10.0.0.1"),
        ("\xff", "10.0.0.1"),
        ("[2001:db8::7", "10.0.0.1"),
        ("1", "10.0.0.1"),
    ],
)
def test_x_forwarded_for_is_read_from_its_end(value: str, client: str) -> None:
    assert _client(("X-Forwarded-For", value)) == client


@pytest.mark.parametrize(
    ("value", "client"),
    [
        ("for=203.0.113.9", "203.0.113.9"),
        ('For="203.0.113.9:4711";proto=https;by=10.0.0.1', "203.0.113.9"),
        ('proto=https;for="[2001:db8:cafe::17]:4711"', "2001:db8:cafe::17"),
        ('for="[2001:db8:cafe::17]"', "2001:db8:cafe::17"),
        ("for=198.51.100.1, for=203.0.113.9, for=10.2.2.2", "203.0.113.9"),
        ('for=evil", for=203.0.113.9', "203.0.113.9"),
        ("for=unknown", "10.0.0.1"),
        ("for=_hidden", "10.0.0.1"),
        ("proto=https", "10.0.0.1"),
        ("for=", "10.0.0.1"),
        ("forfor=203.0.113.9", "10.0.0.1"),
    ],
)
def test_forwarded_is_read_in_the_same_way(value: str, client: str) -> None:
    """RFC 7239, 4: parameters in any order, names in any case, IPv6 in brackets and quotes."""
    assert _client(("Forwarded", value)) == client


def test_a_header_on_several_lines_is_one_list() -> None:
    lines = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")]
    assert _client(*lines) == "203.0.113.9"


def test_nobody_else_is_believed() -> None:
    """Not who is in no trusted network, and with no such network nobody. Nor two headers that say different things: a
    proxy writes one of them, and passes on the other as the client sent it.
    """
    named = ("X-Forwarded-For", "203.0.113.9")
    assert _client(named, peer=("198.51.100.4", 1)) == "198.51.100.4"
    assert _client(named, trusted=()) == "10.0.0.1"
    assert _client(named, peer=None) is None
    assert _client() == "10.0.0.1"
    assert _client(named, ("Forwarded", "for=198.51.100.1")) == "10.0.0.1"
    assert _client(named, ("Forwarded", "for=unknown")) == "10.0.0.1"
    assert _client(named, ("Forwarded", "for=203.0.113.9")) == "203.0.113.9"


def test_a_proxy_on_this_machine_is_trusted_over_both_families() -> None:
    named = ("X-Forwarded-For", "203.0.113.9")
    assert _client(named, peer=("::ffff:10.0.0.5", 1)) == "203.0.113.9"
    assert _client(named, peer=("fd00::1%eth0", 1)) == "203.0.113.9"


@pytest.mark.parametrize(
    ("host", "counted"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::", "2001:db8:1:2::/64"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("fe80::1%eth0", "fe80::/64"),
        ("not:an:address", "not:an:address"),
    ],
)
def test_an_address_of_ipv6_counts_as_its_network(host: str, counted: str) -> None:
    """A client has 2⁶⁴ of them."""
    assert counted_as((host, 1)) == counted
    assert counted_as(None) is None
