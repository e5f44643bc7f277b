"""notify-sse: a push gateway that never loses a notification.

`from notify_sse import Publisher` is all that a backend service needs; it is loaded on first use.
"""

from typing import TYPE_CHECKING, Any

from notify_sse.version import __version__

if TYPE_CHECKING:
    from notify_sse.publisher import Publisher

__all__ = ["Publisher", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Publisher":
        from notify_sse.publisher import Publisher  # noqa: PLC0415  the package must stay cheap to import

        return Publisher
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
