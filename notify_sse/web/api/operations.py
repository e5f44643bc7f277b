"""`/healthz`, `/readyz`, `/metrics`: for operators and their load balancers. No token; keep them off the internet."""

from typing import Final

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.log.pace import Pace
from notify_sse.web.http.answers import Health, Readiness, answer
from notify_sse.web.service import Service

NOT_STRICT: Final = ("", "0", "false", "no")


async def healthz(_: Request) -> Response:
    """The process runs and its event loop turns."""
    return answer(Health("ok"))


async def readyz(request: Request) -> Response:
    """200 while streams can be served, with what is away in `degraded`; else 503. With `?strict=1` it is 503 when
    anything is away, too.
    """
    service: Service = request.app.state.service
    degraded = service.degraded()
    strict = request.query_params.get("strict", "0") not in NOT_STRICT
    reason = service.unready() or (degraded[0] if strict and degraded else None)
    if reason is None:
        serves = service.settings.role != "ingest"
        return answer(Readiness("ready", cursor=str(service.tail.cursor) if serves else UNSET, degraded=degraded))
    document = Readiness("not ready", reason=reason, degraded=degraded)
    return answer(document, status=503, headers={"Retry-After": "1"})


async def metrics(request: Request) -> Response:
    """Prometheus text, or OpenMetrics when asked for."""
    service: Service = request.app.state.service
    rendered, media_type = service.metrics.render(request.headers.get("accept", ""))
    parts, pace = [], Pace()
    for part in rendered:
        parts.append(part)
        await pace.rest()
    return Response(b"".join(parts), headers={"Content-Type": media_type, "Cache-Control": "no-store"})
