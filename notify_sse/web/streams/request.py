"""What a request for a stream says, whatever the transport: its topics, where it goes on, how its events are named."""

import msgspec
from starlette.datastructures import QueryParams
from starlette.types import Scope


class Asked(msgspec.Struct, frozen=True):
    """`last_event_id` is the client's cursor, if it has one; `event_names` stands as it was given."""

    topics: tuple[str, ...] = ()
    last_event_id: str | None = None
    event_names: str | None = None


def asked(scope: Scope) -> Asked:
    """What the request or handshake with this `scope` asks for. Of the two cursors that it may bring the header's
    counts, since a native reconnect keeps the old query and sends the newer header.
    """
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"last-event-id"), "")
    if not scope["query_string"]:
        return Asked(last_event_id=header or None)
    query = QueryParams(scope["query_string"])
    return Asked(
        topics=tuple(topics_in(query)),
        last_event_id=header or query.get("last_event_id") or query.get("lastEventId") or None,
        event_names=query.get("event_names"),
    )


def topics_in(query: QueryParams) -> list[str]:
    """The topics that a request names."""
    return [topic for given in query.getlist("topics") for topic in given.split(",") if topic]
