"""`/admin`: the page for operators. It needs no token, and holds nothing by itself: all that it shows comes from the
JSON routes, with the token that is typed in.

Its files are served with a policy by which a browser runs these scripts and nothing else, and makes no markup and no
code out of text: the page shows what others have written, such as the detail of a dead letter.
"""

from collections.abc import Awaitable, Callable
from importlib.resources import files
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

PATH: Final = "/admin"
FOLDER: Final = "notify_sse.web.admin"
HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
SCRIPTS: Final = ("page.js", "overview.js", "parts.js", "rates.js", "views.js")
FILES: Final = {
    PATH: ("page.html", "text/html"),
    f"{PATH}/page.css": ("page.css", "text/css"),
    **{f"{PATH}/{name}": (name, "text/javascript") for name in SCRIPTS},
}


def routes() -> list[BaseRoute]:
    """The page and its files; and its address with a slash, from where its relative links would lead nowhere."""
    made: list[BaseRoute] = [Route(path, _file(name, media_type)) for path, (name, media_type) in FILES.items()]
    return [*made, Route(f"{PATH}/", _without_slash)]


def _file(name: str, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        return Response(files(FOLDER).joinpath(name).read_bytes(), headers=HEADERS, media_type=media_type)

    return serve


async def _without_slash(_: Request) -> Response:
    """Relative, so that it is right under whichever path a proxy shows the service."""
    return Response(status_code=308, headers={"Location": "../admin"})
