"""The settings of the way from polling to streams. A part of `Settings`."""

from typing import Annotated

import msgspec
from msgspec import Meta


class RolloutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Who gets streams already, until `notify-sse rollout` says something else; and what polling answers say."""

    rollout_percent: Annotated[
        float,
        Meta(
            ge=0,
            le=100,
            description="How many percent of the recipients get streams; the others poll. A hash of the recipient "
            "decides, so it is always the same ones, and a higher number only adds to them. `notify-sse rollout` "
            "changes it while the service runs, and wins then.",
        ),
    ] = 100.0
    rollout_allow: Annotated[
        tuple[str, ...],
        Meta(description="Recipients that get streams whatever ROLLOUT_PERCENT is, comma separated."),
    ] = ()
    rollout_deny: Annotated[
        tuple[str, ...],
        Meta(description="Recipients that get no streams, whatever else is set, comma separated."),
    ] = ()
    poll_after_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds between two polls that a client that polls is told to keep."),
    ] = 5.0
    polling_deprecated_at: Annotated[
        str | None,
        Meta(
            description="Since when polling is deprecated (RFC 3339, such as `2027-01-01T00:00:00Z`): polling answers "
            "carry `Deprecation` (RFC 9745) and `Link`."
        ),
    ] = None
    polling_sunset_at: Annotated[
        str | None,
        Meta(description="When polling is expected to end (RFC 3339): polling answers carry `Sunset` (RFC 8594)."),
    ] = None
