"""`/healthz`, `/readyz`, `/metrics`: for operators and their load balancers. No token; keep them off the internet."""

from msgspec import UNSET
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.web.http.answers import Health, Readiness, answer
from notify_sse.web.service import Service


async def healthz(_: Request) -> Response:
    """The process runs and its event loop turns."""
    return answer(Health("ok"))


async def readyz(request: Request) -> Response:
    """200 when the store is reachable, the tail is caught up, and the process is not draining; else 503."""
    service: Service = request.app.state.service
    reason = service.unready()
    if reason is None:
        serves = service.settings.role != "ingest"
        return answer(Readiness("ready", cursor=str(service.tail.cursor) if serves else UNSET))
    return answer(Readiness("not ready", reason=reason), status=503, headers={"Retry-After": "1"})


async def metrics(request: Request) -> Response:
    """Prometheus text, or OpenMetrics when asked for."""
    service: Service = request.app.state.service
    body, media_type = service.metrics.render(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type, "Cache-Control": "no-store"})
