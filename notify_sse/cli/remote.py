"""The running service as the commands see it over HTTP: what it answers, and what it means when it does not."""

from typing import Any, Final

import httpx

from notify_sse.errors import NotifyError

TIMEOUT_S: Final = 30.0


class ServiceUnreachable(NotifyError):
    """The service does not answer at this address."""

    code = "service_unreachable"


class ServiceRefused(NotifyError):
    """The service answered that it will not do it. `problem` is what it said, `status` the HTTP status."""

    code = "service_refused"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"the service refused it: {problem.get('detail') or problem.get('title')} ({status})")
        self.status = status
        self.problem = problem

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in (408, 429) or self.status >= httpx.codes.INTERNAL_SERVER_ERROR


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
