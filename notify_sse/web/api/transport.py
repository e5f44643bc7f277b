"""`GET /notifications/transport`: whether a client is to open a stream, or to poll. And what polling answers say of the
end of polling.
"""

from datetime import datetime
from email.utils import format_datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from notify_sse.auth import READING
from notify_sse.config import Settings
from notify_sse.config.checks import moment
from notify_sse.web.http.access_log import STREAM_PATH
from notify_sse.web.http.answers import TransportAdvice, answer
from notify_sse.web.service import Service

TRANSPORT_PATH: Final = "/notifications/transport"


async def transport(request: Request) -> Response:
    """What the rollout says for the recipient of the token. Ask again after a while: it may change at any time."""
    service: Service = request.app.state.service
    grant = await service.verifier.authenticate(request.scope, ways=READING)
    service.admission.channels(grant, ())
    enabled = service.rollout.enables(grant.subject)
    return answer(TransportAdvice("stream" if enabled else "poll", service.settings.poll_after_s))


def polling_headers(settings: Settings, *, root: str) -> dict[str, str]:
    """Of an answer to a client that polls: since when that is deprecated (RFC 9745), when it ends (RFC 8594), and what
    takes its place. Nothing, while neither is set. `root`: under which path the client sees the service.
    """
    deprecated_at, sunset_at = settings.polling_deprecated_at, settings.polling_sunset_at
    headers = {}
    links = [f'<{root}{STREAM_PATH}>; rel="successor-version"; type="text/event-stream"']
    if deprecated_at:
        headers["Deprecation"] = f"@{int(moment(deprecated_at).timestamp())}"
        links.append(f'<{root}{TRANSPORT_PATH}>; rel="deprecation"; type="application/json"')
    if sunset_at:
        headers["Sunset"] = _http_date(moment(sunset_at))
        links.append(f'<{root}{TRANSPORT_PATH}>; rel="sunset"; type="application/json"')
    if headers:
        headers["Link"] = ", ".join(links)
    return headers


def _http_date(when: datetime) -> str:
    """RFC 9110, 5.6.7."""
    return format_datetime(when, usegmt=True)
