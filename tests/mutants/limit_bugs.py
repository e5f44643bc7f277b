"""Seeded bugs in the limits for one client. No client of the simulation asks for too much: their own tests see them."""

from typing import Final

from tests.mutants.planting import Change, Mutant


def _bug(name: str, defence: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, 0, defence, (Change(f"notify_sse.{where}", old, new),), simulated=False)


BUGS: Final = (
    _bug(
        "sockets without end",
        "sockets beyond the limit are refused",
        "web.door.arrivals:Arrivals._limit_for",
        "if 0 < self._most <= len(self._sockets):",
        "if False:",
    ),
    _bug(
        "socket counted for ever",
        "a socket that has ended is uncounted",
        "web.door.arrivals:Arrivals.leave",
        "self._set_address(socket, None)",
        "pass",
    ),
    _bug(
        "refusals without end",
        "sockets that wait for their refusal are few",
        "web.door.arrivals:Arrivals.enter",
        "if len(self._refused) >= REFUSED_AT_ONCE:",
        "if False:",
    ),
    _bug(
        "client believed",
        "only a trusted proxy says whose request it is",
        "web.limits.address:Proxies.client_of",
        "if peer is None or not self.trusts(peer[0]):",
        "if peer is None:",
    ),
    _bug(
        "leftmost hop believed",
        "what a client writes before the proxy does is not believed",
        "web.limits.address:Proxies._first_untrusted",
        "for hop in reversed(hops):",
        "for hop in hops:",
    ),
    _bug(
        "first of two headers believed",
        "two headers that name two clients name nobody",
        "web.limits.address:Proxies.client_of",
        "if len(named) == 1",
        "if named",
    ),
    _bug(
        "an address of IPv6 by itself",
        "a client of IPv6 has one count",
        "web.limits.address:counted_as",
        'return _network_of(host) if ":" in host else host',
        "return host",
    ),
    _bug(
        "rate counts for all",
        "one client's rate is no other's",
        "web.limits.rates:Rate.count",
        "if not limiter.hit(item, who):",
        'if not limiter.hit(item, "all"):',
    ),
    _bug(
        "bytes never given back",
        "what a request held comes back at its end",
        "web.limits.budget:Share.__exit__",
        "self._budget.change(self._principal, -size)",
        "pass",
    ),
    _bug(
        "one share for all",
        "one principal cannot use up the budget of all",
        "web.limits.budget:Budget.check",
        "if held and held + size > self._each:",
        "if False:",
    ),
    _bug(
        "looking without end",
        "events of some types are looked for in a bounded time",
        "web.limits.histories:Histories.read",
        " or time.monotonic() >= ends_at",
        "",
    ),
    _bug(
        "a page as large as all of its events",
        "a page of the history ends by bytes",
        "web.limits.histories:Histories.read",
        " or size >= PAGE_BYTES",
        "",
    ),
    _bug(
        "one read for all of a page",
        "a page is read in pieces that a slow line carries",
        "web.limits.histories:Histories.read",
        "limit=min(piece, limit - len(events))",
        "limit=limit - len(events)",
    ),
    _bug(
        "a replay's page as large as all of its events",
        "a page of a replay is bounded by bytes",
        "gateway.replay:Replays._page",
        "min(connection.page_events, self._most_events)",
        "connection.page_events",
    ),
    _bug(
        "a stream that nobody hears the end of",
        "a stream ends when so much stands behind it that it is not read",
        "web.door.arrivals:Arrivals._look_whether_it_is_read",
        "transport.abort()",
        "pass",
    ),
    _bug(
        "any number of connections apart",
        "the admin listener has few connections",
        "web.door.loop:Few.__call__",
        "self.count >= self._most",
        "False",
    ),
    _bug(
        "marks without number",
        "what a reader has written is limited",
        "web.limits.rates:Rates.request",
        "self._count(self._requests, recipient_id)",
        "pass",
    ),
    _bug(
        "no turn for others",
        "long work lets others have their turn",
        "log.pace:Pace.rest",
        "if worked_s > MAX_STRETCH_S:",
        "if False:",
    ),
)
