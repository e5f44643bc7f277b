"""The admin routes in the OpenAPI document. Each module of `web/admin` that has routes has its paths here."""

from typing import Final

from notify_sse.auth import ADMIN
from notify_sse.web.admin import answers, dead_letters, overview, revocations, settings, streams, trace
from notify_sse.web.admin.recipients import JSON_LINES
from notify_sse.web.contract.schemas import TEXT, Document, json_answer, problems, query, ref
from notify_sse.web.http.query import DEFAULT_LIMIT, MAX_LIMIT

ANSWERS: Final = (
    answers.AuditPage,
    answers.RevocationPage,
    trace.TraceAnswer,
    trace.ConnectionsAnswer,
    answers.Erased,
    overview.Overview,
    streams.StreamsAnswer,
    streams.EndedAnswer,
    dead_letters.DeadLetterPage,
    dead_letters.DeadLetterShown,
    dead_letters.Replayed,
    dead_letters.Purged,
    settings.SettingsAnswer,
)
"""The structs that admin routes answer with; those in them come along."""
_RECIPIENT: Final[Document] = {"name": "recipient_id", "in": "path", "required": True, "schema": {"type": "string"}}
_REASON: Final[Document] = query("reason", TEXT, "Only those refused for this reason.")
_SECURITY: Final[list[Document]] = [{"bearer": [ADMIN]}]


def paths() -> Document:
    """Every admin path with its operations. The scope is the same for all."""
    found: Document = {
        "/admin/audit": {"get": _audit()},
        "/admin/connections/{connection_id}": {"delete": _end()},
        "/admin/dead-letters": {"get": _dead_letters(), "delete": _purge()},
        "/admin/dead-letters/replay": {"post": _replay()},
        "/admin/dead-letters/{handle}": {"get": _dead_letter()},
        "/admin/notifications/{notification_id}": {"get": _trace()},
        "/admin/recipients/{recipient_id}/connections": {"get": _connections()},
        "/admin/recipients/{recipient_id}": {"get": _export(), "delete": _erase()},
        "/admin/revocations": {"get": _revocations(), "post": _revoke()},
        "/admin/revocations/{revocation_id}": {"delete": _undo()},
    }
    found |= {
        "/admin/overview": {"get": _get("Gateways, readiness and queues", "Overview", "What is known")},
        "/admin/settings": {"get": _get("The settings in effect, secrets hidden", "SettingsAnswer", "All of them")},
        "/admin/streams": {"get": _streams()},
    }
    for operations in found.values():
        for operation in operations.values():
            operation["security"] = _SECURITY
            operation["responses"] |= problems(401, 403, 503)
    return found


def newest_first() -> list[Document]:
    """The parameters of a list that is read from its newest end."""
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return [
        query("before", {"type": "integer", "minimum": 1}, "Only items with a lower id: the next page."),
        query("limit", limit, "Items at most."),
    ]


def _get(summary: str, schema: str, what: str) -> Document:
    return {"summary": summary, "responses": {"200": json_answer(ref(schema), what)}}


def _streams() -> Document:
    limit = {"type": "integer", "minimum": 1, "maximum": streams.MAX_LIMIT, "default": streams.DEFAULT_LIMIT}
    return {
        "summary": "Who holds most streams",
        "parameters": [query("limit", limit, "Recipients at most.")],
        "responses": {"200": json_answer(ref("StreamsAnswer"), "The busiest first"), **problems(400)},
    }


def _end() -> Document:
    return {
        "summary": "End a connection, in whichever process it is; its client comes back",
        "parameters": [_path("connection_id")],
        "responses": {
            "200": json_answer(ref("EndedAnswer"), "It was one of this process"),
            "202": json_answer(ref("EndedAnswer"), "The other processes are told"),
            **problems(404),
        },
    }


def _dead_letters() -> Document:
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "default": DEFAULT_LIMIT}
    return {
        "summary": "The messages that were refused, the oldest first",
        "parameters": [_REASON, query("limit", limit, "Items at most.")],
        "responses": {"200": json_answer(ref("DeadLetterPage"), "A page"), **problems(400)},
    }


def _dead_letter() -> Document:
    return {
        "summary": "A refused message with its body",
        "parameters": [_path("handle")],
        "responses": {"200": json_answer(ref("DeadLetterShown"), "It"), **problems(404)},
    }


def _replay() -> Document:
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "handles": {"type": "array", "items": TEXT, "maxItems": dead_letters.MAX_HANDLES},
            "reason": {"type": ["string", "null"]},
            "all": {"type": "boolean"},
        },
    }
    return {
        "summary": "Publish refused messages again: those with these handles or this reason, or all",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"200": json_answer(ref("Replayed"), "Done"), **problems(400, 408, 413)},
    }


def _purge() -> Document:
    handles = {"type": "array", "items": TEXT, "maxItems": dead_letters.MAX_HANDLES}
    return {
        "summary": "Remove refused messages: those with these handles or this reason, or all",
        "parameters": [
            query("handle", handles, "Those with one of these handles."),
            _REASON,
            query("all", {"type": "boolean"}, "Every one."),
        ],
        "responses": {"200": json_answer(ref("Purged"), "Done"), **problems(400)},
    }


def _trace() -> Document:
    return {
        "summary": "What became of a notification",
        "parameters": [_path("notification_id"), query("recipient_id", TEXT, "Of it for this recipient only.")],
        "responses": {
            "200": json_answer(ref("TraceAnswer"), "It is in the log, or among the dead letters"),
            "404": json_answer(ref("TraceAnswer"), "It is in neither, as far as is known"),
            **problems(401, 403, 503),
        },
    }


def _connections() -> Document:
    return {
        "summary": "When a recipient was connected",
        "parameters": [_path("recipient_id")],
        "responses": {"200": json_answer(ref("ConnectionsAnswer"), "The newest first"), **problems(401, 403, 503)},
    }


def _path(name: str) -> Document:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _export() -> Document:
    lines = {"description": "JSON lines", "content": {JSON_LINES: {"schema": {"type": "string"}}}}
    return {
        "summary": "Everything that is stored of a recipient",
        "parameters": [_RECIPIENT],
        "responses": {"200": lines, **problems(400)},
    }


def _erase() -> Document:
    return {
        "summary": "Erase the content of everything that is stored of a recipient",
        "parameters": [_RECIPIENT],
        "responses": {"200": json_answer(ref("Erased"), "Erased"), **problems(400)},
    }


def _audit() -> Document:
    return {
        "summary": "The audit log, the newest change first",
        "parameters": newest_first(),
        "responses": {"200": json_answer(ref("AuditPage"), "A page"), **problems(400)},
    }


def _revocations() -> Document:
    return {
        "summary": "The revocations in force, the newest first",
        "parameters": newest_first(),
        "responses": {"200": json_answer(ref("RevocationPage"), "A page"), **problems(400)},
    }


def _revoke() -> Document:
    reason = {"type": ["string", "null"], "maxLength": revocations.MAX_REASON_CHARS}
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {"sub": TEXT, "jti": TEXT, "reason": reason},
        "oneOf": [{"required": ["sub"]}, {"required": ["jti"]}],
    }
    return {
        "summary": "Revoke every token of a subject that was issued until now, or one token",
        "requestBody": {"required": True, "content": {"application/json": {"schema": schema}}},
        "responses": {"201": json_answer(ref("RevocationItem"), "In force"), **problems(400, 413)},
    }


def _undo() -> Document:
    identifier = {"name": "revocation_id", "in": "path", "required": True, "schema": {"type": "integer"}}
    return {
        "summary": "Take a revocation back",
        "parameters": [identifier],
        "responses": {"204": {"description": "Done"}, **problems(400, 404)},
    }
