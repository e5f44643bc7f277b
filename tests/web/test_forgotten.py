"""What belongs to a refused request is gone with it, and does not wait for the collector: a body may be megabytes."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from notify_sse.errors import BadRequest, NotifyError
from notify_sse.web.http.access_log import note_error


class _Body:
    pass


@pytest.fixture
def _no_collector() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def _refuse(scope: dict[str, object], body: _Body) -> None:
    del body  # the caller's frame holds it, and is in the traceback
    raise BadRequest("body", f"is not complete ({len(scope)})")


def _serve(body: _Body) -> None:
    scope: dict[str, object] = {}
    try:
        _refuse(scope, body)
    except NotifyError as exc:
        note_error(scope, exc)


@pytest.mark.usefixtures("_no_collector")
def test_a_refusal_that_is_noted_keeps_nothing_of_its_request() -> None:
    body = _Body()
    gone = weakref.ref(body)
    _serve(body)
    del body
    assert gone() is None
