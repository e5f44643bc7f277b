"""`/openapi.json` and `/asyncapi.json`: the contracts, made from the same constants that the code checks with."""

from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import ADMIN, PUBLISH, READ, SESSION_COOKIE
from notify_sse.core import parse
from notify_sse.core.cursor import CURSOR, MAX_CURSOR_CHARS
from notify_sse.version import __version__
from notify_sse.web.api import history, publish
from notify_sse.web.http.answers import answer
from notify_sse.web.service import Service

Document = dict[str, Any]

_STRING: Final[Document] = {"type": "string"}
_CURSOR: Final[Document] = {"type": "string", "pattern": f"^{CURSOR.pattern}$", "maxLength": MAX_CURSOR_CHARS}
_TIME: Final[Document] = {"type": "string", "format": "date-time"}


def notification_schema(*, max_bytes: int) -> Document:
    """JSON Schema (2020-12) of a notification as published."""
    return {
        "type": "object",
        "description": f"At most {max_bytes} bytes encoded; nested at most {parse.MAX_DEPTH} levels.",
        "additionalProperties": False,
        "required": ["notification_type", "payload"],
        "oneOf": [{"required": ["recipient_id"]}, {"required": ["topic"]}],
        "properties": {
            "notification_id": {
                "type": "string",
                "minLength": 1,
                "maxLength": parse.MAX_NOTIFICATION_ID_CHARS,
                "description": "The idempotency key; made by the service when absent.",
            },
            "notification_type": {"type": "string", "pattern": f"^{parse.TYPE.pattern}$"},
            "recipient_id": {
                "type": "string",
                "minLength": 1,
                "description": f"1 to {parse.MAX_RECIPIENT_BYTES} bytes of UTF-8, any characters.",
            },
            "topic": {"type": "string", "pattern": f"^{parse.TOPIC.pattern}$"},
            "timestamp": {**_TIME, "description": "RFC 3339; made by the service when absent."},
            "payload": {"type": "object"},
            "expires_at": {**_TIME, "description": "Not delivered after this time."},
        },
    }


def _ref(name: str) -> Document:
    return {"$ref": f"#/components/schemas/{name}"}


def _json(schema: Document, description: str) -> Document:
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _query(name: str, schema: Document, description: str) -> Document:
    return {"name": name, "in": "query", "schema": schema, "description": description}


def _problems(*statuses: int) -> Document:
    content = {"application/problem+json": {"schema": _ref("Problem")}}
    return {str(status): {"description": "RFC 9457 problem", "content": content} for status in statuses}


def _schemas(max_bytes: int) -> Document:
    stored = {**notification_schema(max_bytes=max_bytes), "additionalProperties": True}
    receipt = {
        "notification_id": _STRING,
        "cursor": _CURSOR,
        "outcome": {"enum": ["new", "duplicate", "conflict"]},
    }
    page = {
        "items": {"type": "array", "items": stored},
        "cursor": _CURSOR,
        "more": {"type": "boolean"},
        "reset": {"oneOf": [{"type": "null"}, _ref("Reset")]},
    }
    reset = {
        "reason": {"enum": ["expired", "unknown_epoch", "ahead_of_log"]},
        "from": {"type": ["string", "null"]},
        "to": _CURSOR,
        "history": _STRING,
    }
    problem = {"type": _STRING, "title": _STRING, "status": {"type": "integer"}, "code": _STRING, "detail": _STRING}
    return {
        "Notification": notification_schema(max_bytes=max_bytes),
        "Receipt": {"type": "object", "required": list(receipt), "properties": receipt},
        "Page": {"type": "object", "required": list(page), "properties": page},
        "Reset": {"type": "object", "required": list(reset), "properties": reset},
        "Problem": {"type": "object", "required": list(problem), "properties": problem},
    }


def _stream_parameters() -> list[Document]:
    return [
        {"name": "Last-Event-ID", "in": "header", "schema": _CURSOR, "description": "Resume after this cursor."},
        _query("last_event_id", _CURSOR, "As the header, which wins."),
        _query("lastEventId", _CURSOR, "The same by another name."),
        _query("topics", _STRING, "Granted topics to add, separated by commas."),
    ]


def _stream() -> Document:
    return {
        "summary": "The SSE stream",
        "parameters": [
            *_stream_parameters(),
            _query("event_names", {"enum": ["type"]}, "Put the notification type in `event:`."),
        ],
        "responses": {
            "200": {"description": "text/event-stream", "content": {"text/event-stream": {"schema": _STRING}}},
            **_problems(400, 401, 403, 503),
        },
    }


def _history() -> Document:
    limit = {"type": "integer", "minimum": 1, "maximum": history.MAX_LIMIT, "default": history.DEFAULT_LIMIT}
    return {
        "summary": "A page of stored notifications, or a long poll",
        "parameters": [
            _query("after", _CURSOR, "Only what follows this cursor."),
            _query("before", _CURSOR, "Only what precedes this cursor."),
            _query("limit", limit, "Items at most."),
            _query("type", _STRING, "Only these types, separated by commas."),
            _query("order", {"enum": ["asc", "desc"], "default": "asc"}, "Oldest or newest first."),
            _query("wait", {"type": "number", "maximum": history.MAX_WAIT_S}, "Seconds to wait for something new."),
            _query("topics", _STRING, "Granted topics to add, separated by commas."),
        ],
        "responses": {"200": _json(_ref("Page"), "A page"), **_problems(400, 401, 403, 503)},
    }


def _publish() -> Document:
    batch = {"type": "array", "minItems": 1, "maxItems": publish.MAX_BATCH, "items": _ref("Notification")}
    receipts = {"oneOf": [_ref("Receipt"), {"type": "array", "items": _ref("Receipt")}]}
    schema = {"oneOf": [_ref("Notification"), batch]}
    return {
        "summary": "Publish one notification or an array",
        "security": [{"bearer": [PUBLISH]}],
        "requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in parse.CONTENT_TYPES}},
        "responses": {
            "201": _json(receipts, "Committed"),
            "200": _json(receipts, "Known already, with the same content"),
            **_problems(400, 401, 403, 409, 413, 415, 422, 503),
        },
    }


def openapi(*, max_bytes: int) -> Document:
    """The HTTP contract as OpenAPI 3.1."""
    empty = {"description": "Done"}
    session = {"type": "object", "properties": {"recipient_id": _STRING, "expires_in_s": {"type": "integer"}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "notify-sse", "version": __version__},
        "security": [{"bearer": [READ]}, {"cookie": []}, {"query": []}],
        "paths": {
            "/notifications/stream": {"get": _stream()},
            "/notifications/history": {"get": _history()},
            "/notifications": {"post": _publish()},
            "/notifications/ws": {
                "get": {
                    "summary": "The same stream over WebSocket",
                    "parameters": _stream_parameters(),
                    "responses": {"101": {"description": "JSON text frames"}, **_problems(426)},
                }
            },
            "/notifications/session": {
                "post": {
                    "summary": "Swap a bearer token for a session cookie",
                    "responses": {"200": _json(session, "The cookie is set"), **_problems(400, 401)},
                },
                "delete": {"summary": "End the session", "responses": {"204": empty}},
            },
            "/healthz": {"get": {"summary": "Liveness", "security": [], "responses": {"200": empty}}},
            "/readyz": {"get": {"summary": "Readiness", "security": [], "responses": {"200": empty, "503": empty}}},
            "/metrics": {"get": {"summary": "Prometheus metrics", "security": [], "responses": {"200": empty}}},
        },
        "components": {
            "schemas": _schemas(max_bytes),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": f"Scopes: {READ}, {PUBLISH}, {ADMIN}.",
                },
                "cookie": {"type": "apiKey", "in": "cookie", "name": SESSION_COOKIE},
                "query": {"type": "apiKey", "in": "query", "name": "access_token"},
            },
        },
    }


def asyncapi(*, prefix: str, max_bytes: int) -> Document:
    """The AMQP contract as AsyncAPI 3.0."""
    bindings = {"is": "routingKey", "exchange": {"name": prefix, "type": "topic", "durable": True}}
    message = {
        "name": "notification",
        "contentType": parse.JSON,
        "description": f"`content_type` one of {', '.join(parse.CONTENT_TYPES)}; `message_id` is the notification_id "
        "when the body has none.",
        "payload": notification_schema(max_bytes=max_bytes),
    }
    addresses = {"recipient": "recipient.{name}.{type}", "topic": "topic.{name}.{type}"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "notify-sse", "version": __version__},
        "defaultContentType": parse.JSON,
        "channels": {
            kind: {
                "address": address,
                "parameters": {"name": {}, "type": {}},
                "messages": {"notification": {"$ref": "#/components/messages/notification"}},
                "bindings": {"amqp": bindings},
            }
            for kind, address in addresses.items()
        },
        "operations": {
            f"publish-to-{kind}": {"action": "receive", "channel": {"$ref": f"#/channels/{kind}"}} for kind in addresses
        },
        "components": {"messages": {"notification": message}},
    }


async def serve_openapi(request: Request) -> Response:
    """`GET /openapi.json`."""
    service: Service = request.app.state.service
    return answer(openapi(max_bytes=service.settings.max_notification_bytes))


async def serve_asyncapi(request: Request) -> Response:
    """`GET /asyncapi.json`."""
    settings = request.app.state.service.settings
    return answer(asyncapi(prefix=settings.amqp_prefix, max_bytes=settings.max_notification_bytes))
