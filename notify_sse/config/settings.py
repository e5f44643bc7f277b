"""The fields of `Settings`: every setting with its type, its bounds, its default and its documentation."""

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from notify_sse.config.limit_settings import MAX_COUNT, LimitSettings
from notify_sse.config.names import SECRETS
from notify_sse.telemetry.logs import LogFormat, LogLevel
from notify_sse.telemetry.redaction import HIDDEN, redacted_url

Role = Literal["all", "gateway", "ingest"]
CENTURY_S: Final = 3_155_760_000
MAX_BYTES: Final = 1_000_000_000_000
SessionCookie = Literal["notify_sse_session", "__Host-notify_sse_session"]


class Settings(LimitSettings, frozen=True, kw_only=True):
    """Every setting of the service, checked. Made by `environ.read_settings`.

    Each field is the variable `NOTIFY_SSE_<FIELD>`; its description here is the one in the documentation.
    """

    database_url: Annotated[
        str,
        Meta(
            description="Where the log is kept: `postgresql://user:password@host/database` or "
            "`sqlite:////path/of/file`.",
            extra={"default": "the SQLite file `log.db` in STATE_DIR"},
        ),
    ]
    state_dir: Annotated[
        str,
        Meta(
            description="Directory of the embedded default's files: the SQLite log and the development key.",
            extra={"default": "`$XDG_STATE_HOME/notify-sse`, else `~/.local/state/notify-sse`"},
        ),
    ]
    broker_url: Annotated[
        str,
        Meta(
            description="The message broker: `amqp://user:password@host/vhost` (or `amqps://`) for RabbitMQ; "
            "`memory://` for the one inside the process."
        ),
    ] = "memory://"
    broker_management_url: Annotated[
        str | None,
        Meta(description="RabbitMQ's management API: `http://user:password@host:15672`; guessed from BROKER_URL."),
    ] = None
    amqp_prefix: Annotated[
        str,
        Meta(
            pattern=r"^[A-Za-z0-9_.-]{1,100}$",
            description="First part of the name of every exchange and queue.",
        ),
    ] = "notifications"
    host: Annotated[str, Meta(min_length=1, description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="TCP port to listen on; 0 takes any free one.")] = 8000
    admin_host: Annotated[
        str, Meta(min_length=1, description="Address of the admin listener, when ADMIN_PORT is not 0.")
    ] = "127.0.0.1"
    admin_port: Annotated[
        int,
        Meta(
            ge=0,
            le=65535,
            description="TCP port of a listener of its own for `/admin` and `/metrics`, which are then nowhere else; "
            "0: they are served on PORT.",
        ),
    ] = 0
    role: Annotated[
        Role,
        Meta(
            description="What this process does: `gateway` serves streams, `ingest` moves the queue into "
            "the log, `all` both."
        ),
    ] = "all"
    workers: Annotated[
        int, Meta(ge=1, le=256, description="How many processes serve; they share the listening socket.")
    ] = 1
    jwt_secret: Annotated[
        str | None,
        Meta(
            description="Key of HS256 tokens, at least 32 bytes, such as from `openssl rand -hex 32`. At most one of "
            "the three key settings is set."
        ),
    ] = None
    jwt_secret_previous: Annotated[
        str | None,
        Meta(
            description="The JWT_SECRET before, while it is replaced: tokens of either are taken, and JWT_SECRET signs."
        ),
    ] = None
    jwt_public_key: Annotated[
        str | None,
        Meta(description="Public key of RS256 or ES256 tokens: PEM text, or the path of a PEM file."),
    ] = None
    jwks_url: Annotated[
        str | None,
        Meta(
            description="JWK set with the public keys of RS256 and ES256 tokens, chosen by `kid`: an "
            "`https://` URL or a file. Read again every five minutes, and when a token names an unknown key."
        ),
    ] = None
    jwt_audience: Annotated[str, Meta(min_length=1, description="What a token's `aud` must be or contain.")] = (
        "notify-sse"
    )
    jwt_issuer: Annotated[str | None, Meta(description="What a token's `iss` must be; unset: it is not checked.")] = (
        None
    )
    query_token_max_ttl_s: Annotated[
        int,
        Meta(
            ge=1,
            le=CENTURY_S,
            description="Longest lifetime in seconds of a token that is accepted in `?access_token=`, "
            "since URLs get written down by browsers and proxies.",
        ),
    ] = 300
    root_path: Annotated[
        str,
        Meta(
            description="Path under which a proxy shows the service, such as `/push`: the session cookie's path and "
            "every URL that is given out begin with it. From TRUSTED_PROXIES, `X-Forwarded-Prefix` says it for a "
            "request.",
            max_length=200,
            pattern=r"^((/[A-Za-z0-9._~!$&'()*+=:@%-]+)+)?$",
        ),
    ] = ""
    token_max_ttl_s: Annotated[
        int,
        Meta(
            ge=0,
            le=CENTURY_S,
            description="Longest lifetime in seconds for which a token may be issued; it then needs an `iat`. "
            "Revocations are forgotten once no token of theirs can live. 0: any lifetime, and the revocations of a "
            "`sub` or `jti` are kept for ever.",
        ),
    ] = 0
    cors_origins: Annotated[
        tuple[str, ...],
        Meta(description="Origins whose pages may use the service, exact and comma separated."),
    ] = ()
    public_origins: Annotated[
        tuple[str, ...],
        Meta(
            description="Origins under which browsers reach this service, exact and comma separated, for when a proxy "
            "does not pass their `Host` on. The session cookie is taken from pages of these (and of CORS_ORIGINS) "
            "only. Unset: of the host that the request names."
        ),
    ] = ()
    session_cookie: Annotated[
        SessionCookie,
        Meta(
            description="Name of the session cookie. With `__Host-` browsers take it from this very host only, over "
            "https, and its path is `/` instead of `/notifications`: for when not every host of the domain is trusted."
        ),
    ] = "notify_sse_session"
    heartbeat_s: Annotated[
        float,
        Meta(gt=0, le=3600, description="Seconds without an event after which a stream gets a heartbeat."),
    ] = 15.0
    retry_ms: Annotated[
        int,
        Meta(
            ge=1,
            le=3_600_000,
            description="Centre of the randomised time in milliseconds that clients are told to wait "
            "before they reconnect.",
        ),
    ] = 3000
    request_timeout_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds within which the head of a request has to be complete, from its first byte, and then "
            "its body; 0: they may take for ever.",
        ),
    ] = 15.0
    stall_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds after which a stream whose client reads nothing is closed as `slow_consumer`.",
        ),
    ] = 60.0
    drain_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds from SIGTERM over which streams are closed. The process ends within 10 s after that.",
        ),
    ] = 10.0
    drain_min_s: Annotated[
        float,
        Meta(
            ge=0,
            le=3600,
            description="Seconds from SIGTERM for which new connections are at least still taken: `/readyz` says that "
            "it drains, streams are told to come back. At least as long as a load balancer takes to look twice.",
        ),
    ] = 0.0
    keep_alive_s: Annotated[
        float,
        Meta(
            gt=0,
            le=86_400,
            description="Seconds for which a TCP connection may lie idle, before its first request or between two. "
            "Longer than the proxy in front keeps idle connections: it would send a request into one that just closes.",
        ),
    ] = 620.0
    retention_s: Annotated[
        float,
        Meta(
            gt=0,
            le=CENTURY_S,
            description="Seconds for which a notification stays in the log: how late a client may come back.",
        ),
    ] = 604_800.0
    read_state: Annotated[
        bool,
        Meta(
            description="Whether recipients may mark what they have read, and are told how many notifications are "
            "unread. Off: the routes for it are not there, and streams say nothing of it."
        ),
    ] = True
    tail_max_events: Annotated[
        int, Meta(ge=1, le=MAX_COUNT, description="Most events of the log that one process keeps in memory.")
    ] = 65_536
    tail_max_bytes: Annotated[
        int, Meta(ge=1024, le=MAX_BYTES, description="Most bytes of events that one process keeps in memory.")
    ] = 67_108_864
    max_notification_bytes: Annotated[
        int,
        Meta(ge=256, le=1_048_576, description="Largest notification in bytes, as published and as delivered."),
    ] = 16_384
    strict_numbers: Annotated[
        bool,
        Meta(
            description="Whether a notification is refused whose payload has an integer beyond ±(2^53 - 1): JavaScript "
            "reads it as a neighbour. Otherwise it is delivered as it is, and counted.",
        ),
    ] = False
    ingest_batch: Annotated[
        int, Meta(ge=1, le=10_000, description="Most notifications that are appended in one transaction.")
    ] = 500
    ingest_max_bytes: Annotated[
        int,
        Meta(
            ge=1_048_576,
            le=MAX_BYTES,
            description="About how many bytes of messages one process takes out of the ingest queue at a time. "
            "Messages over MAX_NOTIFICATION_BYTES that find no room go to the dead letters unread.",
        ),
    ] = 67_108_864
    publish_timeout_s: Annotated[
        float, Meta(gt=0, le=3600, description="Seconds after which a publish that was not confirmed is given up.")
    ] = 10.0
    log_level: Annotated[LogLevel, Meta(description="Least severe log record that is written.")] = "info"
    log_format: Annotated[
        LogFormat, Meta(description="Log lines for people (`text`) or for programs (`json`); to stderr.")
    ] = "text"

    log_streams: Annotated[
        Literal["debug", "info"],
        Meta(description="Severity of the two log records of each stream: that it was opened, and that it has ended."),
    ] = "debug"
    journal: Annotated[
        bool,
        Meta(
            description="Whether a row is kept of each connection, for as long as the log keeps a notification: "
            "`notify-sse trace` and `notify-sse connections` read them."
        ),
    ] = True

    @property
    def development(self) -> bool:
        """Whether no key is configured: then one is generated, and only loopback addresses are served."""
        return self.jwt_secret is None and self.jwt_public_key is None and self.jwks_url is None

    @property
    def embedded_store(self) -> bool:
        """Whether the log is an SQLite file, which belongs to one process."""
        return urlsplit(self.database_url).scheme == "sqlite"

    @property
    def embedded_broker(self) -> bool:
        """Whether the broker is the one inside the process."""
        return urlsplit(self.broker_url).scheme == "memory"

    def shown(self, field: str) -> str:
        """The value of `field` as it may be printed: no secret, no password."""
        value = getattr(self, field)
        if value is None:
            return ""
        if isinstance(value, tuple):
            return ",".join(value)
        if isinstance(value, bool):
            return str(value).lower()
        if isinstance(value, float):
            return f"{value:.15g}"
        return HIDDEN if field in SECRETS else redacted_url(str(value))

    def __repr__(self) -> str:
        """As the default, without secrets: a repr ends up in tracebacks and logs."""
        return f"Settings({', '.join(f'{field}={self.shown(field)!r}' for field in self.__struct_fields__)})"
