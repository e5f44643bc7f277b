"""The table of admin routes, and the ASGI app of the admin server.

With ADMIN_PORT 0 the same routes are a part of the main app (`web/routes.py`), and so is `/metrics`.
"""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import NotifyError
from notify_sse.web.admin import audit, dead_letters, overview, page, recipients, revocations, settings, streams, trace
from notify_sse.web.api import operations
from notify_sse.web.contract import openapi
from notify_sse.web.http import problems
from notify_sse.web.http.access_log import AccessLog, Requests
from notify_sse.web.http.body import ReadToTheEnd
from notify_sse.web.http.paths import BelowName, whole
from notify_sse.web.http.version import Http1Only
from notify_sse.web.limits.address import Proxies
from notify_sse.web.service import Service


def routes() -> list[BaseRoute]:
    """Every admin route, and the metrics. A module of this room has the functions of one subject."""
    return [
        Route("/admin/audit", audit.audit),
        Route("/admin/connections/{connection_id}", streams.end, methods=["DELETE"]),
        Route("/admin/dead-letters", dead_letters.dead_letters, methods=["GET", "DELETE"]),
        Route("/admin/dead-letters/replay", dead_letters.replay, methods=["POST"]),
        Route("/admin/dead-letters/{handle}", dead_letters.dead_letter),
        Route("/admin/notifications/{notification_id:path}", trace.notification),
        BelowName("/admin/recipients/{recipient_id:path}/connections", trace.connections),
        Route("/admin/overview", overview.overview),
        Route(recipients.PATH, recipients.stored_or_erased, methods=["GET", "DELETE"]),
        Route("/admin/revocations", revocations.revocations, methods=["GET", "POST"]),
        Route("/admin/revocations/{revocation_id}", revocations.revocation, methods=["DELETE"]),
        Route("/admin/settings", settings.settings),
        Route("/admin/streams", streams.streams),
        *page.routes(),
        Route("/metrics", operations.metrics),
    ]


def build_admin(service: Service) -> ASGIApp:
    """The ASGI app of the admin server of `service`."""
    app = Starlette(
        routes=whole(
            [
                *routes(),
                Route("/healthz", operations.healthz),
                Route("/readyz", operations.readyz),
                Route("/openapi.json", openapi.serve),
            ]
        ),
        exception_handlers={
            NotifyError: problems.on_notify_error,
            HTTPException: problems.on_http_exception,
            Exception: problems.on_crash,
        },
    )
    app.router.redirect_slashes = False
    app.state.service = service
    answering = ReadToTheEnd(app, within_s=service.settings.request_timeout_s or None)
    requests = Requests(service.metrics)
    return Named(AccessLog(Http1Only(answering), requests=requests), service.limits.proxies)


class Named:
    """Says whose request it is, as `web/http/entrance.py` does on the main port, whose limits are for strangers."""

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http":
            scope["client"] = self._proxies.client_of(scope)
        await self._app(scope, receive, send)
