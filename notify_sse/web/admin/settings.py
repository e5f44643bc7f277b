"""`GET /admin/settings`: the settings in effect in the process that answers, with secrets hidden."""

import os

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from notify_sse.config import Effective, effective
from notify_sse.web.admin.asking import administrator
from notify_sse.web.http.answers import answer


class SettingsAnswer(msgspec.Struct, frozen=True):
    """Every setting, as `notify-sse settings --json` lists them."""

    gateway: str
    items: tuple[Effective, ...]


async def settings(request: Request) -> Response:
    """Every setting: its value, where that comes from, its default, and what it is."""
    service = (await administrator(request)).service
    return answer(SettingsAnswer(service.gateway, tuple(effective(service.settings, os.environ))))
