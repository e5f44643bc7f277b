"""Hypothesis strategies for what may be published, and for what comes of it."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

from hypothesis import strategies as st

from notify_sse.core.media import JSON, Kind
from notify_sse.core.model import Notification
from notify_sse.core.parse import parse

NOW: Final = datetime(2026, 11, 22, 10, 0, 0, 123000, tzinfo=UTC)
MAX_BYTES: Final = 16_384

characters = st.characters(exclude_categories=["Cs"])
texts = st.text(characters, max_size=12)
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**63), 2**64 - 1),
    st.floats(allow_nan=False, allow_infinity=False),
    texts,
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=12
)
recipients = st.text(characters, min_size=1, max_size=200).filter(lambda text: len(text.encode()) <= 200)
topics = st.from_regex(r"[A-Za-z0-9_.-]{1,100}", fullmatch=True)
types = st.from_regex(r"[a-z0-9_.-]{1,64}", fullmatch=True)
ids = st.text(characters, min_size=1, max_size=128)
times = st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.isoformat())


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    """A document that the contract allows."""
    address = draw(st.sampled_from(("recipient_id", "topic")))
    document: dict[str, Any] = {
        "notification_type": draw(types),
        address: draw(recipients if address == "recipient_id" else topics),
        "payload": draw(st.dictionaries(texts, values, max_size=4)),
    }
    for name, strategy in (("notification_id", ids), ("timestamp", times), ("expires_at", times)):
        if draw(st.booleans()):
            document[name] = draw(strategy)
    return document


def parsed(
    raw: bytes,
    *,
    max_bytes: int = MAX_BYTES,
    now: datetime = NOW,
    new_id: Callable[[], str] = lambda: "made",
    content_type: Kind = JSON,
    message_id: str | None = None,
    strict_numbers: bool = False,
) -> Notification:
    """`raw` parsed at `NOW`, with the limits of the default settings."""
    return parse(
        raw,
        max_bytes=max_bytes,
        now=now,
        new_id=new_id,
        content_type=content_type,
        message_id=message_id,
        strict_numbers=strict_numbers,
    )
