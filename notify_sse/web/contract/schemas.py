"""The JSON schemas of both contracts: of a notification, from the constants that it is checked with; of the answers,
from the structs that are sent.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from notify_sse.core import faults, parse
from notify_sse.web.http import answers
from notify_sse.web.http.problems import MEDIA_TYPE

Document = dict[str, Any]

TEXT: Final[Document] = {"type": "string"}
ANSWERS: Final = (
    answers.PublishOutcome,
    answers.HistoryPage,
    answers.HistoryEvent,
    answers.Unread,
    answers.Marked,
    answers.Recalled,
    answers.Reset,
    answers.Session,
    answers.Ticket,
    answers.TransportAdvice,
    answers.Health,
    answers.Readiness,
    answers.Problem,
)


def ref(name: str) -> Document:
    """A reference to the schema called `name`."""
    return {"$ref": answers.SCHEMA_PATH + name}


def cursor() -> Document:
    """The schema of a cursor."""
    return msgspec.json.schema(answers.CursorText)


def query(name: str, schema: Document, description: str) -> Document:
    """A parameter in the query."""
    return {"name": name, "in": "query", "schema": schema, "description": description}


def json_answer(schema: Document, description: str) -> Document:
    """An answer in JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def problems(*statuses: int) -> Document:
    """Refusals, by status."""
    content = {MEDIA_TYPE: {"schema": ref("Problem")}}
    return {str(status): {"description": "RFC 9457 problem", "content": content} for status in statuses}


def components(*, max_bytes: int, more: Iterable[type] = ()) -> Document:
    """Every schema by its name. `max_bytes` is the limit of a notification; `more` are further answers."""
    _, made = msgspec.json.schema_components([*ANSWERS, *more], ref_template=answers.SCHEMA_PATH + "{name}")
    return {
        "Notification": notification(max_bytes=max_bytes),
        answers.HISTORY_ITEM: history_item(max_bytes=max_bytes),
        **made,
    }


def notification(*, max_bytes: int) -> Document:
    """A notification as published (JSON Schema 2020-12)."""
    text = {"type": ["string", "null"]}  # null is absent, wherever absent is allowed
    time = {**text, "format": "date-time"}
    return {
        "type": "object",
        "description": f"At most {max_bytes} bytes encoded; nested at most {faults.MAX_DEPTH} levels.",
        "additionalProperties": False,
        "required": ["notification_type", "payload"],
        "oneOf": [_given("recipient_id"), _given("topic")],
        "properties": {
            "notification_id": {
                **text,
                "minLength": 1,
                "maxLength": parse.MAX_NOTIFICATION_ID_CHARS,
                "description": "The idempotency key; made by the service when absent.",
            },
            "notification_type": {"type": "string", "pattern": f"^{parse.TYPE.pattern}$"},
            "recipient_id": {
                **text,
                "minLength": 1,
                "description": f"1 to {parse.MAX_RECIPIENT_BYTES} bytes of UTF-8, any characters.",
            },
            "topic": {**text, "pattern": f"^{parse.TOPIC.pattern}$"},
            "timestamp": {**time, "description": "RFC 3339; made by the service when absent."},
            "payload": {"type": "object"},
            "expires_at": {**time, "description": "Not delivered after this time."},
            "silent": {"type": ["boolean", "null"], "description": "True: it does not count as unread."},
        },
    }


def _given(name: str) -> Document:
    return {"required": [name], "properties": {name: {"type": "string"}}}


def history_item(*, max_bytes: int) -> Document:
    """A notification as the log has it: what the publisher left out is filled in, and it has its cursor."""
    published = notification(max_bytes=max_bytes)
    required = [*published["required"], "notification_id", "timestamp", "cursor"]
    filled_in = {name: {**schema, "type": "string"} for name, schema in published["properties"].items()}
    properties = {
        **filled_in,
        "payload": published["properties"]["payload"],
        "silent": {"const": True},
        "cursor": cursor(),
        "read": {"type": "boolean", "description": "Whether the recipient has read it; absent without read state."},
    }
    return {**published, "description": history_item.__doc__, "required": required, "properties": properties}
