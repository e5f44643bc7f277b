"""The running service as the commands see it over HTTP: what it answers, and what it means when it does not."""

from typing import Final

import httpx

from notify_sse.errors import ServiceRefused, ServiceUnreachable

TIMEOUT_S: Final = 30.0


def unreachable(url: str, exc: Exception) -> ServiceUnreachable:
    """What to tell when a request to `url` failed with `exc`."""
    reason = str(exc) or type(exc).__name__
    return ServiceUnreachable(f"cannot reach the service at {url} ({reason}); does `notify-sse serve` run?")


def refused(response: httpx.Response) -> ServiceRefused:
    """The refusal in `response`, whose body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = {}
    return ServiceRefused(
        response.status_code, problem if isinstance(problem, dict) and problem else {"title": response.reason_phrase}
    )


def bearer(token: str) -> dict[str, str]:
    """The header that carries `token`."""
    return {"Authorization": f"Bearer {token}"}
