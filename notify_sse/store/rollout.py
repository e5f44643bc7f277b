"""The rollout as both databases keep it: a JSON document."""

import msgspec

from notify_sse.core.rollout import RolloutChange
from notify_sse.errors import StoreUnavailable


def decoded(text: str | None) -> RolloutChange:
    """The change that is kept as `text`. A later version may know more fields, which this one passes over."""
    if text is None:
        return RolloutChange()
    try:
        return msgspec.json.decode(text, type=RolloutChange)
    except msgspec.DecodeError as exc:
        raise StoreUnavailable(f"the rollout in the database cannot be read ({exc})") from exc
