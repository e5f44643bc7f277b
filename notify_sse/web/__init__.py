"""HTTP: requests in, streams and answers out. Knows the gateway's parts, never an adapter."""

from notify_sse.web.admin.routes import build_admin
from notify_sse.web.http.access_log import PUBLISH_PATH, STREAM_PATH, WEBSOCKET_PATH
from notify_sse.web.routes import build

__all__ = ["PUBLISH_PATH", "STREAM_PATH", "WEBSOCKET_PATH", "build", "build_admin"]
