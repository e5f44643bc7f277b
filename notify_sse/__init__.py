"""notify-sse: a push gateway that never loses a notification."""

__version__ = "0.1.0"
