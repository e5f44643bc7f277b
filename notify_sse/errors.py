"""Every exception that we raise, each with a stable `code`.

    NotifyError
    ├── BadConfiguration     a setting is wrong: the start stops with one line
    ├── BadNotification      what was published breaks the contract; names the field and the reason
    ├── Conflict             a notification_id was used again with other content
    ├── Unauthorized         no token, or one that does not verify            (401)
    ├── Forbidden            the token lacks a scope or a topic               (403)
    ├── Overloaded           refused for load: try again later                (503)
    ├── StoreUnavailable     the database cannot be reached, or cannot write
    ├── StoreRefused         the database will not have this content; retrying does not help
    ├── SchemaOutdated       the database's schema is not this version's
    └── BrokerUnavailable    the broker cannot be reached, or did not confirm
        └── NotAllPublished  some of a batch were not confirmed; names them

Ends of streams are values (`sse.Closing`), not exceptions. Foreign exceptions are translated in one place per adapter.
"""


class NotifyError(Exception):
    """Anything that this package raises on purpose."""

    code = "error"


class BadConfiguration(NotifyError):
    """A setting is wrong. The message is one line and names the setting."""

    code = "bad_configuration"


class BadNotification(NotifyError):
    """A publish that breaks the contract.

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
        "conflict",
        "store_refused",
    )

    def __init__(self, *, field: str, reason: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field = field
        self.reason = reason
        self.detail = detail

    def within(self, place: str) -> "BadNotification":
        """The same error seen from a surrounding place, such as item `[3]` of a batch."""
        return BadNotification(field=f"{place}.{self.field}", reason=self.reason, detail=self.detail)


class Conflict(NotifyError):
    """A notification_id that is in the log already came again with other content."""

    code = "conflict"


class Unauthorized(NotifyError):
    """No credentials, or credentials that do not verify. Never says which part failed."""

    code = "unauthorized"


class Forbidden(NotifyError):
    """The token is good, but lacks what the request needs."""

    code = "forbidden"


class Overloaded(NotifyError):
    """Refused for load; `retry_after_s` says when to come back."""

    code = "overloaded"

    def __init__(self, message: str, *, retry_after_s: float = 1.0) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class StoreUnavailable(NotifyError):
    """The database cannot be reached or cannot write now. The outcome of a write is unknown.

    `advice` says what a person has to do, where waiting alone does not help.
    """

    code = "store_unavailable"

    def __init__(self, message: str, *, advice: str = "") -> None:
        super().__init__(message)
        self.advice = advice


class StoreRefused(NotifyError):
    """The database will not have the content of this batch; trying again does not help. Nothing was stored."""

    code = "store_refused"


class SchemaOutdated(NotifyError):
    """The database's schema is not the one of this version; the message says which command to run."""

    code = "schema_outdated"


class BrokerUnavailable(NotifyError):
    """The broker cannot be reached, or did not confirm in time. The outcome of a publish is unknown."""

    code = "broker_unavailable"


class NotAllPublished(BrokerUnavailable):
    """Some of a batch have no confirm: `unconfirmed` maps their places in the batch to their notification_ids."""

    code = "not_all_published"

    def __init__(self, message: str, *, unconfirmed: dict[int, str]) -> None:
        super().__init__(f"{len(unconfirmed)} not published: {message}")
        self.unconfirmed = unconfirmed
