"""Every exception that we raise: one tree, each with a stable `code` and a docstring whose first line is its meaning.

    NotifyError
    ├── BadConfiguration       a setting is wrong: the start stops with one line
    ├── SchemaOutdated         the database's schema is not the one of this version
    │
    │   what is published
    ├── BadNotification        breaks the contract; names the field and the reason
    ├── Conflict               a notification_id was used before with other content
    ├── StoreRefused           the database will not store it; trying again does not help
    │
    │   what is asked over HTTP
    ├── BadRequest             a parameter or the body is wrong; names it
    ├── BodyTooLarge           the body is over the limit
    ├── VersionNotSupported    a stream over HTTP/2
    ├── Unauthorized           no token, or one that does not verify
    │   └── TokenRevoked       it was good, and was taken back
    ├── TokenRefused           why a token is refused: for ourselves, never sent
    ├── Forbidden              the token lacks a scope or a topic
    ├── NotEnabled             the recipient gets no streams yet: it polls
    ├── Overloaded             refused for load: try again later
    │   └── Limited            this client is over a limit of its own
    ├── TooSlow                the request did not arrive in time
    │
    │   what we depend on
    ├── StoreUnavailable       the database cannot be reached, or cannot write
    ├── BrokerUnavailable      the broker cannot be reached, or did not confirm
    │   └── NotAllPublished    some of a batch were not confirmed; names them
    │   the commands
    ├── ServiceUnreachable     the service does not answer
    ├── ServiceRefused         the service answered that it will not do it
    ├── CannotMeasure          `bench`: the service to be measured does not start
    ├── WorkerFailed           `bench`: one of its processes failed
    ├── NoStream               `bench`: the server did not answer with a stream
    └── SendFailed             `bench`: the server does not take what is published

`web/http/problems.py` says which HTTP status an error becomes. Ends of streams are values, not exceptions. An adapter
translates foreign exceptions in one place. Pure: no I/O.
"""

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any


class NotifyError(Exception):
    """Anything that this package raises on purpose."""

    code = "error"

    @classmethod
    def meaning(cls) -> str:
        """What an error of this class means, whatever the occurrence: the first line of its docstring."""
        return (cls.__doc__ or cls.code).partition("\n")[0].rstrip(".")


class BadConfiguration(NotifyError):
    """A setting is wrong."""  # The message is one line and begins with the setting's name.

    code = "bad_configuration"


class SchemaOutdated(NotifyError):
    """The database's schema is not one that this version can use."""

    code = "schema_outdated"


class BadNotification(NotifyError):
    """The notification breaks the contract.

    `field` is a path such as `payload.items[3]`, or `body` when no field can be blamed;
    `reason` one of `REASONS`, stable, for machines (it is the dead letter's `x-notify-reason`);
    `detail` a sentence for people.
    """

    code = "bad_notification"
    REASONS = (
        "malformed",
        "too_large",
        "too_deep",
        "missing_field",
        "unknown_field",
        "invalid_field",
        "key_mismatch",
        "unsupported_content_type",
        "unsupported_content_encoding",
        "conflict",
        "not_found",
        "store_refused",
    )

    def __init__(self, *, field: str, reason: str, detail: str) -> None:
        self.field = field or '""'  # a field may have that name
        super().__init__(f"{self.field}: {detail}")
        self.reason = reason
        self.detail = detail

    def within(self, place: str) -> "BadNotification":
        """The same error seen from a surrounding place, such as item `[3]` of a batch."""
        return BadNotification(field=f"{place}.{self.field}", reason=self.reason, detail=self.detail)


class Conflict(NotifyError):
    """A notification_id was used before with other content.

    For the same recipient or topic. The log keeps the first. `items` holds the outcome of each notification of the
    publish, as it is answered: those that do not conflict are stored.
    """

    code = "conflict"
    field = "notification_id"

    def __init__(self, message: str, *, items: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.items = items


class StoreRefused(NotifyError):
    """The database will not store this.

    The content is to blame: trying again does not help. `items` holds the outcome of each notification of the publish,
    as it is answered: the others are stored.
    """

    code = "store_refused"

    def __init__(self, message: str, *, items: Sequence[Any] = ()) -> None:
        super().__init__(message)
        self.items = items


class BadRequest(NotifyError):
    """The request breaks the contract.

    `field` names the parameter.
    """

    code = "bad_request"

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field


class BodyTooLarge(NotifyError):
    """The body is too large."""

    code = "body_too_large"


class VersionNotSupported(NotifyError):
    """This version of HTTP is not supported here.

    Over HTTP/2 Hypercorn holds no sender back: a client that reads nothing would take memory without end.
    """

    code = "version_not_supported"


class Unauthorized(NotifyError):
    """No valid token."""  # The message never says which part failed.

    code = "unauthorized"


class TokenRevoked(Unauthorized):
    """The token is revoked."""

    code = "token_revoked"


class TokenRefused(NotifyError):
    """A token is refused.

    `reason` is one of `REASONS`, stable, for machines; the message says more, a constant text with nothing of the token
    in it. Both are for ourselves: the caller gets `Unauthorized`, with the message only when `told` (what is wrong is
    how the token was sent, and not the token).
    """

    code = "token_refused"
    REASONS = (
        "missing",
        "ambiguous",
        "wrong_place",
        "foreign_origin",
        "too_long_lived",
        "malformed",
        "algorithm",
        "unknown_key",
        "signature",
        "expired",
        "revoked",
        "ticket",
        "not_yet_valid",
        "audience",
        "issuer",
        "claim",
    )

    def __init__(self, reason: str, detail: str, *, told: bool = False) -> None:
        super().__init__(detail)
        self.reason = reason
        self.told = told


class Forbidden(NotifyError):
    """The token does not allow this."""  # It verifies, but lacks what the request needs.

    code = "forbidden"


class NotEnabled(NotifyError):
    """Streams are not enabled for this recipient yet."""

    code = "not_enabled"


class Overloaded(NotifyError):
    """Try again later."""  # Refused for load; `retry_after_s` says when to come back.

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Limited(Overloaded):
    """Over a limit of this client."""  # `limit` names it. Others are served.

    code = "limited"

    def __init__(self, limit: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(f"over the limit {limit}; come back after Retry-After", retry_after_s=retry_after_s)
        self.limit = limit


class TooSlow(NotifyError):
    """The request did not arrive in time."""

    code = "request_timeout"


class StoreUnavailable(NotifyError):
    """The log cannot be reached now."""  # The outcome of a write is unknown.

    # `notification_ids` names those of a publish; `advice` says what a person has to do, where waiting does not help.

    code = "store_unavailable"

    def __init__(self, message: str, *, advice: str = "", notification_ids: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.advice = advice
        self.notification_ids = notification_ids


class BrokerUnavailable(NotifyError):
    """The broker cannot be reached, or did not confirm in time."""  # The outcome of a publish is unknown.

    code = "broker_unavailable"


class NotAllPublished(BrokerUnavailable):
    """Some of a batch have no confirm."""  # `unconfirmed` maps their places in the batch to their notification_ids.

    code = "not_all_published"

    def __init__(self, message: str, *, unconfirmed: dict[int, str]) -> None:
        super().__init__(f"{len(unconfirmed)} not published: {message}")
        self.unconfirmed = unconfirmed


class ServiceUnreachable(NotifyError):
    """The service does not answer at this address."""

    code = "service_unreachable"


class ServiceRefused(NotifyError):
    """The service answered that it will not do it."""  # `problem` is its problem document, `status` the HTTP status.

    code = "service_refused"

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"the service refused it: {problem.get('detail') or problem.get('title')} ({status})")
        self.status = status
        self.problem = problem

    @property
    def passing(self) -> bool:
        """Whether the same request may succeed later."""
        return (
            self.status in (HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS)
            or self.status >= HTTPStatus.INTERNAL_SERVER_ERROR
        )


class CannotMeasure(NotifyError):
    """The service to be measured does not start, or does not answer."""

    code = "cannot_measure"


class WorkerFailed(NotifyError):
    """A process of the load tool could not do its part."""

    code = "worker_failed"


class NoStream(NotifyError):
    """The server did not answer with a stream."""

    code = "no_stream"


class SendFailed(NotifyError):
    """The server does not take what is published."""

    code = "unsent"
