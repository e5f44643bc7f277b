"""Names in paths. A recipient or an id may hold any character: line ends, slashes, the ends of other routes.

Starlette's patterns are made for names without line ends: `.` stops at one, and `$` passes over one at the end, so that
`DELETE …/alice%0A` would mean alice. Here a pattern takes a path whole, or not at all.
"""

import re
from collections.abc import Awaitable, Callable, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope


def whole(routes: Sequence[BaseRoute]) -> list[BaseRoute]:
    """`routes`, each of which matches whole paths only, with any character in a name."""
    for route in routes:
        if isinstance(route, Route):
            route.path_regex = re.compile(route.path_regex.pattern.removesuffix("$") + r"\Z", re.DOTALL)
    return list(routes)


class BelowName(Route):
    """The route `<before>/{name:path}/<last>`. A name may end like it: in a name, the slash is encoded."""

    def __init__(self, path: str, endpoint: Callable[[Request], Awaitable[Response]]) -> None:
        super().__init__(path, endpoint)
        self._last = path[path.rindex("/") :].encode()

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As a route, of a path that was sent with its last part as it is."""
        sent = scope.get("raw_path") or scope["path"].encode()
        return super().matches(scope) if sent.endswith(self._last) else (Match.NONE, {})
