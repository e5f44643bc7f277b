"""Parameters of a query: whole numbers within bounds, and the pages of a list that is read from its newest end."""

import re
from typing import Final

from starlette.datastructures import QueryParams

from notify_sse.errors import BadRequest

MAX_ID: Final = 2**63 - 1
DEFAULT_LIMIT: Final = 50
MAX_LIMIT: Final = 500
INTEGER: Final = re.compile(r"[0-9]{1,19}")


def whole_number(params: QueryParams, name: str, *, default: int, lowest: int, highest: int) -> int:
    """The parameter `name`, `default` when it is absent or empty. Raises `BadRequest`."""
    text = params.get(name)
    if not text:
        return default
    if not INTEGER.fullmatch(text) or not lowest <= int(text) <= highest:
        raise BadRequest(name, f"must be a whole number from {lowest} to {highest}")
    return int(text)


def newest_first(params: QueryParams) -> tuple[int | None, int]:
    """`before` (an id; None: from the newest on) and `limit`. Raises `BadRequest`."""
    before = whole_number(params, "before", default=0, lowest=1, highest=MAX_ID)
    return before or None, whole_number(params, "limit", default=DEFAULT_LIMIT, lowest=1, highest=MAX_LIMIT)
