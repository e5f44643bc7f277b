"""The table of routes, and the ASGI app that serves them."""

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware.errors import ServerErrorMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from notify_sse.errors import NotifyError
from notify_sse.web import pages
from notify_sse.web.admin import routes as admin
from notify_sse.web.api import history, operations, publish, read, recall, session, ticket, transport
from notify_sse.web.api.transport import TRANSPORT_PATH
from notify_sse.web.contract import asyncapi, openapi
from notify_sse.web.http import cors, problems
from notify_sse.web.http.access_log import OTHER, PUBLISH_PATH, STREAM_PATH, WEBSOCKET_PATH, AccessLog, is_stream
from notify_sse.web.http.body import ReadToTheEnd
from notify_sse.web.http.entrance import Entrance
from notify_sse.web.http.paths import whole
from notify_sse.web.http.version import Http1Only
from notify_sse.web.service import Service
from notify_sse.web.streams.sse import StreamResponse
from notify_sse.web.streams.websocket import WebSockets, upgrade_required


def build(service: Service) -> ASGIApp:
    """The ASGI app of `service`."""
    requests = service.requests
    stream = StreamResponse(service, requests=requests)
    publish_route = Route(PUBLISH_PATH, publish.publish, methods=["POST"])
    named = [
        Route(STREAM_PATH, stream, methods=["GET"]),  # `Front` serves it; here for the 405 of other methods
        publish_route,
        Route("/notifications/history", history.history),
        Route(TRANSPORT_PATH, transport.transport),
        Route("/notifications/session", session.session, methods=["POST", "DELETE"]),
        Route("/notifications/ticket", ticket.ticket, methods=["POST"]),
        *(_read_state_routes() if service.read_state else ()),
        Route(WEBSOCKET_PATH, upgrade_required, methods=["GET"]),
    ]
    app = Starlette(
        routes=whole(
            [
                *named,
                _Recall(beside=frozenset(route.path for route in named)),
                Route("/healthz", operations.healthz),
                Route("/readyz", operations.readyz),
                Route("/openapi.json", openapi.serve),
                Route("/asyncapi.json", asyncapi.serve),
                *([] if service.settings.admin_port else admin.routes()),
                *pages.routes(development=service.settings.development),
            ]
        ),
        middleware=[cors.middleware(service.settings.cors_origins)],
        exception_handlers={
            NotifyError: problems.on_notify_error,
            HTTPException: problems.on_http_exception,
            Exception: problems.on_crash,
        },
    )
    app.router.redirect_slashes = False  # a redirect would carry the query, and a token in it, to another URL
    app.state.service = service
    for path, statuses in openapi.documented_statuses(service.settings).items():
        service.metrics.answers(path, statuses)
    service.metrics.answers(OTHER, ("400", "404", "405", "408", "429", "431", "505"))
    rest = ReadToTheEnd(app, within_s=service.settings.request_timeout_s or None)
    publishing = ReadToTheEnd(
        ServerErrorMiddleware(Publishing(app, publish_route), problems.on_crash),
        within_s=service.settings.request_timeout_s or None,
    )
    noted = AccessLog(Http1Only(Shortcut(publishing, rest)), requests=requests)
    return Entrance(
        Front(stream, WebSockets(service, requests=requests), noted),
        requests=requests,
        paths=frozenset(route.path for route in app.routes if isinstance(route, Route) and "{" not in route.path),
        arrivals=service.limits.arrivals,
        proxies=service.limits.proxies,
        root_path=service.settings.root_path,
        stream_path=STREAM_PATH,
        cors_origins=service.settings.cors_origins,
    )


def _read_state_routes() -> list[Route]:
    return [
        Route("/notifications/read", read.mark, methods=["POST"]),
        Route("/notifications/unread", read.unread),
    ]


def _is_publish(scope: Scope) -> bool:
    """Whether it is one of a program. A page's answer has more headers: those for its origin."""
    is_ours = scope["path"] == PUBLISH_PATH and scope["method"] == "POST"
    return is_ours and all(name != b"origin" for name, _ in scope["headers"])


class Publishing:
    """`POST /notifications` as `route` of `app` serves it, for who names no origin."""

    def __init__(self, app: Starlette, route: Route) -> None:
        self._app = app
        self._route = route

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        scope["app"], scope["route"] = self._app, self._route
        request = Request(scope, receive)
        try:
            await self._sent(await publish.publish(request), scope, receive, send)
        except NotifyError as exc:
            await self._sent(await problems.on_notify_error(request, exc), scope, receive, send)

    async def _sent(self, response: Response, scope: Scope, receive: Receive, send: Send) -> None:
        response.raw_headers.append(cors.VARY)
        await response(scope, receive, send)


class _Recall(Route):
    """A recall's route: whatever lies under its path, also what is called like one of the paths `beside` it.

    For other methods it is not there: they get 404. Nor for a DELETE of a path beside it that names no recipient and no
    topic: 405.
    """

    def __init__(self, *, beside: frozenset[str]) -> None:
        super().__init__(recall.PATH, recall.recall, methods=["DELETE"])
        self._beside = beside

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """As a route; only whole."""
        match, child = super().matches(scope)
        ours = scope["path"] in self._beside and not recall.is_recall(Request(scope))
        return (match, child) if match is Match.FULL and not ours else (Match.NONE, {})


class Front:
    """Sends what is for streams past every other layer: each would stay in memory for as long as they last."""

    def __init__(self, stream: ASGIApp, websockets: ASGIApp, rest: ASGIApp) -> None:
        self._stream = stream
        self._websockets = websockets
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and is_stream(scope):
            await self._stream(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == WEBSOCKET_PATH:
            await self._websockets(scope, receive, send)
        else:
            await self._rest(scope, receive, send)


class Shortcut:
    """Sends publishes past Starlette's layers: there are many, and the layers take longer than the log."""

    def __init__(self, publishing: ASGIApp, rest: ASGIApp) -> None:
        self._publishing = publishing
        self._rest = rest

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        serve = self._publishing if scope["type"] == "http" and _is_publish(scope) else self._rest
        await serve(scope, receive, send)
