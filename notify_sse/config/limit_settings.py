"""The settings that say how much of the service one client may have. A part of `Settings`."""

from typing import Annotated, Final

from msgspec import Meta

from notify_sse.config.rollout_settings import RolloutSettings

MAX_COUNT: Final = 1_000_000_000
"""More than there can be of anything that is counted here."""


class LimitSettings(RolloutSettings, frozen=True, kw_only=True):
    """Each counts in one process. web/limits and web/door/arrivals.py keep to them."""

    max_connections: Annotated[
        Annotated[int, Meta(ge=0, le=MAX_COUNT)] | None,
        Meta(
            description="Most accepted sockets of one process, whatever they are used for; 0: no limit. One too many "
            "is refused without a look at who it is.",
            extra={"default": "the limit of open files, less 256 for the service itself"},
        ),
    ] = None
    max_connections_per_address: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_COUNT,
            description="Most accepted sockets of one client address in one process; 0: no limit. Set TRUSTED_PROXIES "
            "before this, if there is a proxy: everybody has its address otherwise.",
        ),
    ] = 0
    max_streams: Annotated[
        int,
        Meta(
            ge=1, le=MAX_COUNT, description="Most open streams of one process; over it, clients are told to come back."
        ),
    ] = 20_000
    max_streams_per_recipient: Annotated[
        int,
        Meta(
            ge=1,
            le=MAX_COUNT,
            description="Most open streams of one recipient in one process; over it, the oldest is closed "
            "as `replaced`.",
        ),
    ] = 100
    max_replays: Annotated[
        int, Meta(ge=1, le=1000, description="Most replays that read the database at once in one process.")
    ] = 2
    limit_connects_per_address: Annotated[
        str,
        Meta(
            description="How often streams may be asked for from one client address, in one process, such as "
            "`600/minute`; `0`: no limit. Set TRUSTED_PROXIES before this, if there is a proxy."
        ),
    ] = "0"
    limit_connects_per_recipient: Annotated[
        str,
        Meta(
            description="How often one recipient may open a stream, in one process; `0`: no limit. The default is as "
            "many streams as it may have (MAX_STREAMS_PER_RECIPIENT), each anew every second."
        ),
    ] = "6000/minute"
    limit_publishes_per_principal: Annotated[
        str,
        Meta(
            description="How often one principal (a token's `sub`) may publish or recall over HTTP, in one process, in "
            "requests; `0`: no limit."
        ),
    ] = "0"
    limit_history_per_recipient: Annotated[
        str,
        Meta(
            description="How often one recipient may read a page of its history, or poll, in one process; "
            "`0`: no limit."
        ),
    ] = "6000/minute"
    limit_requests_per_recipient: Annotated[
        str,
        Meta(
            description="How often one recipient may mark what it has read, ask how much is unread, or take a ticket, "
            "in one process; `0`: no limit. Each mark is an event in the log."
        ),
    ] = "6000/minute"
    limit_unauthenticated_per_address: Annotated[
        str,
        Meta(
            description="How often requests from one client address may be refused for their token, or for having "
            "none, in one process: after that, 429 in place of 401. A valid token is taken nevertheless. `0`: no limit."
        ),
    ] = "0"
    trusted_proxies: Annotated[
        tuple[str, ...],
        Meta(
            description="Networks (or addresses) of the proxies in front, comma separated. They are believed whose "
            "request it is: `X-Forwarded-For` or `Forwarded`, whichever they write."
        ),
    ] = ()
