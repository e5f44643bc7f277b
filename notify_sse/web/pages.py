"""The browser client (`/client/`) and, in development only, the demo page (`/`)."""

from importlib.resources import files
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from notify_sse.auth import PUBLISH, READ, mint
from notify_sse.gateway import Gateway
from notify_sse.web.answers import answer

DEMO_TOKEN_S = 300


def routes(*, development: bool) -> list[BaseRoute]:
    """The routes of the pages; the demo and its token only in development."""
    package = Path(str(files("notify_sse")))
    served: list[BaseRoute] = [Mount("/client", ClientFiles(directory=package / "client"))]
    if development:
        served += [Route("/", demo), Route("/demo/token", demo_token, methods=["POST"])]
    return served


class ClientFiles(StaticFiles):
    """Files that browsers ask for anew each time, and are told that they are the same: modules of two versions must
    never meet in one page.
    """

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = "no-cache"
        return response


async def demo(_: Request) -> Response:
    """The demo page."""
    page = files("notify_sse.web").joinpath("demo.html").read_text(encoding="utf-8")
    return HTMLResponse(page, headers={"Cache-Control": "no-store"})


async def demo_token(request: Request) -> Response:
    """A token for the demo: `{"recipient_id": …, "ttl_s": …, "publish": bool}`. Only in development."""
    gateway: Gateway = request.app.state.gateway
    wanted = await request.json()
    scopes = [READ, PUBLISH] if wanted.get("publish") else [READ]
    ttl_s = max(1, min(int(wanted.get("ttl_s", DEMO_TOKEN_S)), DEMO_TOKEN_S))
    token = mint(gateway.settings, str(wanted["recipient_id"]), scopes=scopes, topics=["news"], ttl_s=ttl_s)
    return answer({"token": token, "expires_in_s": ttl_s})
