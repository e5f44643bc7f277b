"""The door: streams and WebSockets are taken at the socket, before Hypercorn; every other request goes on to it."""

from notify_sse.web.door.door import Door, Doors
from notify_sse.web.door.head import Paths
from notify_sse.web.door.loop import ServerLoop

__all__ = ["Door", "Doors", "Paths", "ServerLoop"]
