"""`/openapi.json`: the HTTP contract, made from the structs that are sent and the constants that are checked with."""

from functools import cache
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import ADMIN, PUBLISH, READ
from notify_sse.config import Settings
from notify_sse.core.media import CONTENT_TYPES, JSON
from notify_sse.version import __version__
from notify_sse.web.api import history, publish, read, recall
from notify_sse.web.api.read import CURSOR_HEADER
from notify_sse.web.contract import admin
from notify_sse.web.contract.schemas import TEXT, Document, components, cursor, ref
from notify_sse.web.contract.schemas import json_answer as _json
from notify_sse.web.contract.schemas import problems as _problems
from notify_sse.web.contract.schemas import query as _query
from notify_sse.web.http.answers import answer
from notify_sse.web.http.root import root_of
from notify_sse.web.service import Service

_PUBLIC: Final[list[Document]] = []
"""The `security` of what needs no token."""
_OWN: Final[list[Document]] = [{"bearer": [READ]}, {"cookie": []}]
"""Of what changes something of one's own: not by a token in a URL."""


async def serve(request: Request) -> Response:
    """`GET /openapi.json`."""
    service: Service = request.app.state.service
    return answer(
        openapi(
            max_bytes=service.settings.max_notification_bytes,
            session_cookie=service.settings.session_cookie,
            root=root_of(request.scope),
        )
    )


def documented_statuses(settings: Settings) -> dict[str, set[str]]:
    """With which statuses each route may be answered, whatever the method."""
    document = openapi(max_bytes=settings.max_notification_bytes, session_cookie=settings.session_cookie)
    return {
        path: {status for operation in methods.values() for status in operation["responses"]}
        for path, methods in document["paths"].items()
    }


def openapi(*, max_bytes: int, session_cookie: str, root: str = "") -> Document:
    """The HTTP contract as OpenAPI 3.1, of a service that is seen under the path `root`. Not to be changed."""
    return {**_made(max_bytes, session_cookie), "servers": [{"url": root or "/"}]}


@cache
def _made(max_bytes: int, session_cookie: str) -> Document:
    """Once: it takes milliseconds, and anybody may ask for it, as often as they please."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "notify-sse", "version": __version__},
        "security": [{"bearer": [READ]}, {"cookie": []}, {"query": []}, {"ticket": []}],
        "paths": {
            "/notifications/stream": {"get": _stream()},
            "/notifications/history": {"get": _history()},
            "/notifications/transport": {"get": _transport()},
            "/notifications": {"post": _publish()},
            "/notifications/read": {"post": _mark()},
            "/notifications/unread": {"get": _unread()},
            "/notifications/{notification_id}": {"delete": _recall()},
            "/notifications/ws": {"get": _websocket()},
            "/notifications/session": {"post": _session_begin(), "delete": _session_end()},
            "/notifications/ticket": {"post": _ticket()},
            "/healthz": {"get": _healthz()},
            "/readyz": {"get": _readyz()},
            "/metrics": {"get": _metrics()},
            **admin.paths(),
        },
        "components": {
            "schemas": components(max_bytes=max_bytes, more=admin.ANSWERS),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": f"Scopes: {READ}, {PUBLISH}, {ADMIN}.",
                },
                "cookie": {"type": "apiKey", "in": "cookie", "name": session_cookie},
                "query": {"type": "apiKey", "in": "query", "name": "access_token"},
                "ticket": {"type": "apiKey", "in": "query", "name": "ticket"},
            },
        },
    }


def _stream() -> Document:
    return {
        "summary": "The SSE stream",
        "parameters": [
            *_stream_parameters(),
            _query("event_names", {"enum": ["type"]}, "Put the notification type in `event:`."),
        ],
        "responses": {
            "200": {"description": "text/event-stream", "content": {"text/event-stream": {"schema": TEXT}}},
            "204": {"description": "Streams are not enabled for this recipient: poll"},
            **_problems(400, 401, 403, 429, 503, 505),
        },
    }


def _history() -> Document:
    limit = {"type": "integer", "minimum": 1, "maximum": history.MAX_LIMIT, "default": history.DEFAULT_LIMIT}
    return {
        "summary": "A page of stored notifications, or a long poll",
        "parameters": [
            _query("after", cursor(), "Only what follows this cursor."),
            _query("before", cursor(), "Only what precedes this cursor."),
            _query("limit", limit, "Items at most."),
            _query("type", TEXT, "Only these types, separated by commas."),
            _query("order", {"enum": ["asc", "desc"], "default": "asc"}, "Oldest or newest first."),
            _query("wait", {"type": "number", "maximum": history.MAX_WAIT_S}, "Seconds to wait for something new."),
            _query("topics", TEXT, "Granted topics to add, separated by commas."),
        ],
        "responses": {"200": _json(ref("HistoryPage"), "A page"), **_problems(400, 401, 403, 429, 503)},
    }


def _transport() -> Document:
    return {
        "summary": "Whether to open a stream, or to poll",
        "responses": {"200": _json(ref("TransportAdvice"), "What to do"), **_problems(401, 403)},
    }


def _publish() -> Document:
    batch = {"type": "array", "minItems": 1, "maxItems": publish.MAX_BATCH, "items": ref("Notification")}
    outcomes = {"oneOf": [ref("PublishOutcome"), {"type": "array", "items": ref("PublishOutcome")}]}
    schema = {"oneOf": [ref("Notification"), batch]}
    return {
        "summary": "Publish one notification or an array",
        "parameters": [
            {"name": name, "in": "header", "schema": TEXT, "description": "W3C Trace Context, for spans."}
            for name in ("traceparent", "tracestate")
        ],
        "security": [{"bearer": [PUBLISH]}],
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in CONTENT_TYPES}},
        "responses": {
            "201": _json(outcomes, "Committed"),
            "200": _json(outcomes, "Known already, with the same content"),
            **_problems(400, 401, 403, 408, 409, 413, 415, 422, 429, 503),
        },
    }


def _mark() -> Document:
    ids = {"type": "array", "maxItems": read.MAX_IDS, "items": TEXT}
    marks = [
        _object({"upto": cursor()}, required="upto"),
        _object({"ids": ids, "read": {"type": "boolean", "default": True}}, required="ids"),
    ]
    return {
        "summary": "Mark what is read",
        "security": _OWN,
        "requestBody": {"required": True, "content": {JSON: {"schema": {"oneOf": marks}}}},
        "responses": {"200": _json(ref("Marked"), "The state after it"), **_problems(400, 401, 403, 413, 429, 503)},
    }


def _recall() -> Document:
    name = {"name": "notification_id", "in": "path", "required": True, "schema": TEXT}
    whose = [_query(field, TEXT, "Whose it is: exactly one of the two.") for field in recall.ADDRESS]
    return {
        "summary": "Recall a notification",
        "security": [{"bearer": [PUBLISH]}],
        "parameters": [name, *whose],
        "responses": {"200": _json(ref("Recalled"), "Its body is erased"), **_problems(400, 401, 403, 404, 429, 503)},
    }


def _unread() -> Document:
    return {
        "summary": "How many notifications are unread",
        "security": _OWN,
        "responses": {
            "200": _json(ref("Unread"), "The number")
            | {"headers": {CURSOR_HEADER: {"schema": TEXT, "description": "As of which place in the log"}}},
            **_problems(401, 403, 429, 503),
        },
    }


def _websocket() -> Document:
    return {
        "summary": "The same stream over WebSocket",
        "parameters": _stream_parameters(),
        "responses": {"101": {"description": "JSON text messages"}, **_problems(400, 401, 403, 426, 429, 501, 503)},
    }


def _session_begin() -> Document:
    return {
        "summary": "Swap a bearer token for a session cookie",
        "security": [{"bearer": [READ]}],
        "responses": {"200": _json(ref("Session"), "The cookie is set"), **_problems(400, 401)},
    }


def _session_end() -> Document:
    return {
        "summary": "End the session",
        "security": [{"bearer": [READ]}, {"cookie": []}],
        "responses": {"204": {"description": "Done"}},
    }


def _ticket() -> Document:
    return {
        "summary": "A ticket in place of the token, for a URL",
        "security": [{"bearer": [READ]}, {"cookie": []}],
        "responses": {"201": _json(ref("Ticket"), "Good once, for half a minute"), **_problems(401, 403, 429, 503)},
    }


def _healthz() -> Document:
    return {"summary": "Liveness", "security": _PUBLIC, "responses": {"200": _json(ref("Health"), "The process runs")}}


def _readyz() -> Document:
    responses = {"200": _json(ref("Readiness"), "Ready"), "503": _json(ref("Readiness"), "Not ready; says why")}
    return {"summary": "Readiness", "security": _PUBLIC, "responses": responses}


def _metrics() -> Document:
    text = {"description": "Prometheus text", "content": {"text/plain": {"schema": TEXT}}}
    return {"summary": "Prometheus metrics", "security": _PUBLIC, "responses": {"200": text}}


def _stream_parameters() -> list[Document]:
    return [
        {"name": "Last-Event-ID", "in": "header", "schema": cursor(), "description": "Resume after this cursor."},
        _query("last_event_id", cursor(), "As the header, which wins."),
        _query("lastEventId", cursor(), "The same by another name."),
        _query("topics", TEXT, "Granted topics to add, separated by commas."),
    ]


def _object(properties: Document, *, required: str) -> Document:
    return {"type": "object", "additionalProperties": False, "required": [required], "properties": properties}
