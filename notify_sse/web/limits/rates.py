"""How often one client may do something: six rates, each by a setting, each counted in this process.

Over the library `limits`: its notation, its fixed windows. A window begins with the first request in it. A rate that is
off costs nothing, one that is on about two microseconds a request. docs/adr/0016-limits.md has why and the figures.

Who is over a limit is refused; nobody else notices.
"""

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from limits import parse_many
from limits.strategies import FixedWindowRateLimiter

from notify_sse.config import Settings
from notify_sse.errors import Limited
from notify_sse.web.limits.address import counted_as
from notify_sse.web.limits.window_storage import WindowStorage

SCOPE_LIMIT: Final = "notify_sse.limit"
"""In an ASGI scope: the limit over which its connection is. It gets its refusal, and nothing else."""
LIMITS: Final = (
    "connects_per_address",
    "connects_per_recipient",
    "publishes_per_principal",
    "history_per_recipient",
    "requests_per_recipient",
    "unauthenticated_per_address",
    "max_connections",
    "max_connections_per_address",
    "answer_bytes",
    "body_bytes",
)
"""The name of each limit, as in the metric and in the problem document."""
CONNECTION_RETRY_S: Final = 5.0
"""When to come back who has too many connections: nobody knows when one of them ends."""


class Rate:
    """One rate: `text` is `60/minute`, several of them (`10/second;100/minute`), or `0` for none."""

    def __init__(self, limit: str, text: str, *, clock: Callable[[], float] = time.time) -> None:
        self._limit = limit
        self._clock = clock
        self._limiters = [
            # A storage for each: its counters expire in the order in which they began.
            (item, FixedWindowRateLimiter(WindowStorage(clock=clock)))
            for item in ([] if text == "0" else parse_many(text))
        ]

    def count(self, who: str) -> None:
        """One more of `who`. Raises `Limited` when that is too much; it counts nevertheless."""
        for item, limiter in self._limiters:
            if not limiter.hit(item, who):
                ends_at = limiter.get_window_stats(item, who).reset_time
                raise Limited(self._limit, retry_after_s=max(0.001, ends_at - self._clock()))


class Rates:
    """The rates of `settings`; `on_limited` hears the name of each limit that refuses somebody."""

    def __init__(
        self, settings: Settings, *, on_limited: Callable[[str], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._on_limited = on_limited

        def rate(limit: str) -> Rate:
            return Rate(limit, getattr(settings, f"limit_{limit}"), clock=clock)

        self._connects_of_address = rate("connects_per_address")
        self._connects_of_recipient = rate("connects_per_recipient")
        self._publishes = rate("publishes_per_principal")
        self._history = rate("history_per_recipient")
        self._requests = rate("requests_per_recipient")
        self._unauthenticated = rate("unauthenticated_per_address")

    def arrive(self, scope: Mapping[str, Any]) -> None:
        """Somebody asks for a stream. Raises `Limited` for one whose address asks too often, or whose connection is one
        too many: before a look at the token, which costs more.
        """
        if SCOPE_LIMIT in scope:  # counted already, when it came
            raise Limited(scope[SCOPE_LIMIT], retry_after_s=CONNECTION_RETRY_S)
        self._count(self._connects_of_address, counted_as(scope.get("client")))

    def connect(self, recipient_id: str) -> None:
        """A recipient opens a stream. Raises `Limited`."""
        self._count(self._connects_of_recipient, recipient_id)

    def publish(self, principal: str) -> None:
        """A principal publishes or recalls: one request, whatever it holds. Raises `Limited`."""
        self._count(self._publishes, principal)

    def history(self, recipient_id: str) -> None:
        """A recipient reads its history, or polls. Raises `Limited`."""
        self._count(self._history, recipient_id)

    def request(self, recipient_id: str) -> None:
        """A recipient asks for what costs the database a little, or the log an event. Raises `Limited`."""
        self._count(self._requests, recipient_id)

    def refuse_token(self, scope: Mapping[str, Any]) -> None:
        """A request is refused for its token, or for having none. Raises `Limited` in place of that refusal when the
        address had too many of them. A valid token is not counted, and not refused: others may share the address.
        """
        self._count(self._unauthenticated, counted_as(scope.get("client")))

    def _count(self, rate: Rate, who: str | None) -> None:
        if who is None:
            return
        try:
            rate.count(who)
        except Limited as exc:
            self._on_limited(exc.limit)
            raise
