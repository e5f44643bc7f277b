"""The three transports of a stream: SSE, WebSocket and the long poll."""
