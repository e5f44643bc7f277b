"""The browser client (`/client/`) and, in development only, the demo page (`/`)."""

from collections.abc import Awaitable, Callable
from importlib.metadata import metadata
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from notify_sse.auth import PUBLISH, READ, mint
from notify_sse.core.parse import MAX_RECIPIENT_BYTES
from notify_sse.errors import BadRequest, Forbidden
from notify_sse.web.http.answers import answer
from notify_sse.web.http.body import read_body
from notify_sse.web.service import Service

DEMO_TOKEN_S: Final = 300
MAX_WANTED_BYTES: Final = 4096
PACKAGE: Final = Path(str(files("notify_sse")))
CLIENT: Final = PACKAGE / "client"
DEMO: Final = PACKAGE / "demo"
CHECKOUT: Final = PACKAGE.parent if (PACKAGE.parent / "mkdocs.yml").is_file() else None
"""Where the documentation is; an installed package has its README alone."""
ENTRY_FOLDERS: Final = ("views", "frameworks")
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
FILE_HEADERS: Final = {"Cache-Control": "no-cache", "X-Content-Type-Options": "nosniff"}
PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; script-src 'self' 'unsafe-eval'; worker-src 'self'; "
    "connect-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
}
"""The page can be framed by nobody and loads from here only. Inline are the badge's styles, in its shadow root. Nothing
in it evaluates text; that stays allowed for the tools that drive browsers, which do.
"""
PROXIED: Final = ("forwarded", "via", "x-real-ip")
"""Beside `X-Forwarded-…`, what proxies add to a request."""


class Wanted(msgspec.Struct):
    """The token that the demo asks for."""

    recipient_id: Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_RECIPIENT_BYTES)]
    ttl_s: Annotated[int, msgspec.Meta(ge=1, le=DEMO_TOKEN_S)] = DEMO_TOKEN_S
    publish: bool = False


def routes(*, development: bool) -> list[BaseRoute]:
    """The routes of the pages; the demo and its token only in development."""
    served: list[BaseRoute] = [*entry_points(), Mount("/client", PageFiles(directory=CLIENT))]
    if development:
        served += [
            Route("/", demo),
            Route("/demo/token", demo_token, methods=["POST"]),
            Route("/demo/README.md", readme),
            *([Mount("/demo/docs", PageFiles(directory=CHECKOUT / "docs"))] if CHECKOUT else []),
            Mount("/demo", PageFiles(directory=DEMO)),
        ]
    return served


def entry_points() -> list[BaseRoute]:
    """The public addresses of modules that lie in a folder: `/client/store.js` stands for `/client/views/store.js`.

    The answer is a module that exports the other one again. The file itself, at a second address, would be a second
    module to a browser, and its relative imports would lead nowhere.
    """
    modules = [path.relative_to(CLIENT) for folder in ENTRY_FOLDERS for path in sorted(CLIENT.glob(f"{folder}/*.js"))]
    return [Route(f"/client/{module.name}", _exported_again(module)) for module in modules]


def _exported_again(module: Path) -> Callable[[Request], Awaitable[Response]]:
    async def entry_point(_: Request) -> Response:
        text = f'export * from "./{module.as_posix()}";\n'
        return Response(text, media_type="text/javascript", headers=FILE_HEADERS)

    return entry_point


class PageFiles(StaticFiles):
    """Files that browsers ask for anew each time, and are told that they are the same: modules of two versions must
    never meet in one page.
    """

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        response = super().file_response(*args, **kwargs)
        response.headers.update(FILE_HEADERS)
        return response


async def demo(_: Request) -> Response:
    """The demo page."""
    page = DEMO.joinpath("demo.html").read_text(encoding="utf-8")
    return HTMLResponse(page, headers=PAGE_HEADERS)


async def readme(_: Request) -> Response:
    """Where the documentation begins, as text."""
    text = (CHECKOUT / "README.md").read_text(encoding="utf-8") if CHECKOUT else metadata("notify-sse")["Description"]
    return PlainTextResponse(text, headers=FILE_HEADERS)


async def demo_token(request: Request) -> Response:
    """A token for the demo: `{"recipient_id": …, "ttl_s": …, "publish": bool}`. Only in development."""
    service: Service = request.app.state.service
    if request.url.hostname not in LOOPBACK:
        # A page elsewhere can give its own name this address (DNS rebinding, CWE-350), and would read the answer.
        raise Forbidden("the demo makes tokens on a loopback address only")
    if any(name in PROXIED or name.startswith("x-forwarded-") for name in request.headers):
        # Behind a proxy everybody comes from this machine; and `Host` is often the one that the proxy speaks to.
        raise Forbidden("the demo makes tokens for this machine only, not through a proxy")
    try:
        wanted = msgspec.json.decode(await read_body(request, max_bytes=MAX_WANTED_BYTES), type=Wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as exc:
        raise BadRequest("body", str(exc)) from None
    scopes = [READ, PUBLISH] if wanted.publish else [READ]
    try:
        token = mint(service.settings, wanted.recipient_id, scopes=scopes, topics=["news"], ttl_s=wanted.ttl_s)
    except ValueError as exc:  # up to the limit in characters, but over it in bytes
        raise BadRequest("recipient_id", str(exc)) from None
    return answer({"token": token, "expires_in_s": wanted.ttl_s})
