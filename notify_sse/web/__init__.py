"""HTTP: requests in, streams and answers out. Knows the gateway's parts, never an adapter."""

from notify_sse.web.routes import STREAM_PATH, build

__all__ = ["STREAM_PATH", "build"]
