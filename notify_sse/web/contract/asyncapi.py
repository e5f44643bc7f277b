"""`/asyncapi.json`: the AMQP contract, made from the constants that the code checks with."""

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.core import media, model
from notify_sse.version import __version__
from notify_sse.web.contract.schemas import Document, notification
from notify_sse.web.http.answers import answer
from notify_sse.web.service import Service


async def serve(request: Request) -> Response:
    """`GET /asyncapi.json`."""
    service: Service = request.app.state.service
    settings = service.settings
    return answer(asyncapi(prefix=settings.amqp_prefix, max_bytes=settings.max_notification_bytes))


def asyncapi(*, prefix: str, max_bytes: int) -> Document:
    """The AMQP contract as AsyncAPI 3.0."""
    bindings = {"is": "routingKey", "exchange": {"name": prefix, "type": "topic", "durable": True}}
    message = {
        "name": "notification",
        "contentType": media.JSON,
        "description": f"`content_type` one of {', '.join(media.CONTENT_TYPES)}; `message_id` is the notification_id "
        "when the body has none.",
        "headers": {
            "type": "object",
            "properties": {
                "traceparent": {"type": "string", "maxLength": model.MAX_TRACEPARENT_CHARS},
                "tracestate": {"type": "string", "maxLength": model.MAX_TRACESTATE_CHARS},
            },
            "description": "W3C Trace Context; optional. Other headers say nothing.",
        },
        "payload": notification(max_bytes=max_bytes),
    }
    addresses = {"recipient": "recipient.{name}.{type}", "topic": "topic.{name}.{type}"}
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "notify-sse", "version": __version__},
        "defaultContentType": media.JSON,
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
