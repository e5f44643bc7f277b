"""What a request for a stream says, whatever the transport: its topics, and where it goes on."""

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope


def topics_in(query: QueryParams) -> list[str]:
    """The topics that a request names."""
    return [topic for given in query.getlist("topics") for topic in given.split(",") if topic]


def last_event_id(scope: Scope, query: QueryParams) -> str | None:
    """The client's cursor: the header wins, since a native reconnect keeps the old query and sends the newer header."""
    header = Headers(scope=scope).get("last-event-id")
    return header or query.get("last_event_id") or query.get("lastEventId") or None
