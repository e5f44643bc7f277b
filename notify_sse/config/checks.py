"""Which values of settings are refused, alone or in combination. Each refusal is one line that names the setting.

The last step of `environ.read_settings`. Reads no file and opens no connection.
"""

import ipaddress
import re
from datetime import UTC, datetime
from typing import Final, NoReturn
from urllib.parse import parse_qsl, urlsplit

import msgspec

from notify_sse.config.database_url import hosts_of
from notify_sse.config.hosts import host_of, is_host, is_origin
from notify_sse.config.names import KNOWN_SECRETS, MIN_SECRET_BYTES, MIN_SECRET_VARIETY, variable
from notify_sse.config.settings import CENTURY_S, Settings
from notify_sse.errors import BadConfiguration

MAX_RATE: Final = 1_000_000_000
_QUOTES: Final = "\"'`"
_MOMENT: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}([Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2}))?"
)


def check(settings: Settings) -> None:
    """Raise `BadConfiguration` for the first value that is refused."""
    _check_names(settings)
    _check_urls(settings)
    _check_origins(settings)
    _check_keys(settings)
    _check_processes(settings)
    _check_limits(settings)
    _check_polling(settings)


def _check_urls(settings: Settings) -> None:
    for field, schemes in (
        ("database_url", ("sqlite", "postgresql", "postgres")),
        ("broker_url", ("memory", "amqp", "amqps")),
        ("broker_management_url", ("http", "https")),
    ):
        url = getattr(settings, field)
        if url is None:
            continue
        scheme = url.partition(":")[0].lower()
        if scheme not in schemes:
            _refuse(field, f"must begin with one of {', '.join(f'{scheme}://' for scheme in schemes)}")
        try:
            hosts = hosts_of(url) if scheme in ("postgresql", "postgres") else [host_of(url)]
        except ValueError:
            _refuse(field, "is not a URL (is a character in the password not percent-encoded?)")
        if scheme not in ("sqlite", "memory") and not any(hosts):
            _refuse(field, f"names no host ({scheme}://user:password@host/…)")
    database = urlsplit(settings.database_url)
    if database.scheme == "sqlite" and (database.netloc or database.path in ("", "/") or ":memory:" in database.path):
        _refuse("database_url", "names no file (sqlite:////absolute/path or sqlite:///relative/path)")
    _check_broker_options(settings.broker_url)
    _check_key_set(settings.jwks_url)


def _check_broker_options(url: str) -> None:
    """Those that the AMQP library reads as numbers, or knows by name; of others it takes no notice."""
    for name, value in parse_qsl(urlsplit(url).query, keep_blank_values=True):
        if name in ("timeout", "heartbeat") and not re.fullmatch(r"[0-9]{1,6}", value):
            _refuse("broker_url", f"its {name} must be a whole number of seconds")
        if name == "auth" and value.lower() not in ("plain", "amqplain", "external"):
            _refuse("broker_url", "its auth must be one of plain, amqplain, external")


def _check_key_set(url: str | None) -> None:
    if url is None:
        return
    try:
        scheme = urlsplit(url).scheme
        host = host_of(url) if scheme in ("http", "https") else "a file"
    except ValueError:
        scheme, host = "", ""
    if scheme not in ("http", "https", "file", "") or not host:
        _refuse("jwks_url", "must be an http:// or https:// URL, or a file")


def _check_origins(settings: Settings) -> None:
    for field in ("cors_origins", "public_origins"):
        for place, origin in enumerate(getattr(settings, field), 1):
            if not is_origin(origin):
                reason = "is not an origin as browsers send it, such as https://app.example.org"
                _refuse(field, f"number {place} {reason}")


def _check_names(settings: Settings) -> None:
    for field in ("host", "admin_host"):
        if not is_host(getattr(settings, field)):
            _refuse(field, "must be an address or a host name")
    if settings.amqp_prefix == "amq" or settings.amqp_prefix.startswith("amq."):
        _refuse("amqp_prefix", "begins with amq., which RabbitMQ keeps for itself")
    for part in settings.root_path.split("/"):
        if part in (".", "..") or re.search(r"%(?![0-9A-Fa-f]{2})", part):
            _refuse("root_path", "must be a path as it stands in a URL, such as /push")


def _check_keys(settings: Settings) -> None:
    given = [variable(field) for field in ("jwt_secret", "jwt_public_key", "jwks_url") if getattr(settings, field)]
    if len(given) > 1:
        raise BadConfiguration(
            f"{given[0]}: is set together with {given[1]}; set only one key, so that a token is verified in one way"
        )
    if settings.jwt_secret is not None:
        _check_secret("jwt_secret", settings.jwt_secret, host=settings.host)
    if settings.jwt_secret_previous is not None:
        if settings.jwt_secret is None:
            _refuse("jwt_secret_previous", f"is set without {variable('jwt_secret')}, which signs")
        _check_secret("jwt_secret_previous", settings.jwt_secret_previous, host=settings.host)
    if settings.development and not is_loopback(settings.host):
        _refuse(
            "host",
            f"{settings.host} is open to others, and no key is configured; set NOTIFY_SSE_JWT_SECRET "
            "(or NOTIFY_SSE_JWT_PUBLIC_KEY, or NOTIFY_SSE_JWKS_URL)",
        )
    if settings.development and settings.admin_port and not is_loopback(settings.admin_host):
        _refuse("admin_host", f"{settings.admin_host} is open to others, and no key is configured")


def _check_secret(field: str, secret: str, *, host: str) -> None:
    """A secret is taken as it is, to the last character: so nothing may be in it that nobody meant."""
    if secret.lstrip().startswith(("-----BEGIN", "ssh-")):
        _refuse(field, f"is a public-key file's text; that goes to {variable('jwt_public_key')}")
    if not secret.isprintable() or secret.endswith(("\\n", "\\r")):
        _refuse(field, "has a line end or another character that does not print; leave it out")
    if secret != secret.strip() or secret[0] in _QUOTES or secret[-1] in _QUOTES:
        _refuse(field, "begins or ends with a blank or a quote; leave it out")
    if len(secret.encode()) < MIN_SECRET_BYTES:
        _refuse(field, f"is too short; at least {MIN_SECRET_BYTES} bytes, such as `openssl rand -hex 32`")
    if not is_loopback(host) and _is_guessable(secret):
        _refuse(field, f"can be guessed, and {host} is open to others; take one from `openssl rand -hex 32`")


def _is_guessable(secret: str) -> bool:
    """Whether it is known to everybody, has few different characters, or is a short text over and over."""
    repeats = any(secret[period:] == secret[:-period] for period in range(1, len(secret) // 2 + 1))
    return secret in KNOWN_SECRETS or len(set(secret)) < MIN_SECRET_VARIETY or repeats


def _check_processes(settings: Settings) -> None:
    if settings.workers > 1 and settings.embedded_store:
        _refuse("workers", "more than one needs Postgres; set NOTIFY_SSE_DATABASE_URL (SQLite is for one process)")
    if settings.workers > 1 and settings.embedded_broker:
        _refuse(
            "workers",
            "more than one needs RabbitMQ; set NOTIFY_SSE_BROKER_URL (memory:// is for one process)",
        )
    if settings.role != "all" and settings.embedded_broker:
        _refuse(
            "role",
            f"{settings.role} needs RabbitMQ; set NOTIFY_SSE_BROKER_URL (memory:// is for one process)",
        )


def _check_limits(settings: Settings) -> None:
    for field in msgspec.structs.fields(Settings):
        rate = getattr(settings, field.name)
        if field.name.startswith("limit_") and rate not in ("0", field.default) and not _is_rate(rate):
            _refuse(field.name, "must be a rate such as 60/minute or 10/second;300/hour, or 0 for none")
    for network in settings.trusted_proxies:
        if not _is_network(network):
            _refuse("trusted_proxies", "must be networks or addresses, such as 10.0.0.0/8,2001:db8::1")


def _is_network(text: str) -> bool:
    try:
        ipaddress.ip_network(text, strict=False)
    except ValueError:
        return False
    return "%" not in text  # the address of a socket comes without its zone


def _is_rate(text: str) -> bool:
    from limits import parse_many  # noqa: PLC0415 - 70 ms, which a command does not pay that has the defaults

    if re.search(r"(/|per)\s*0", text):  # the library takes no seconds for one
        return False
    try:
        return all(0 < rate.amount <= MAX_RATE and rate.get_expiry() <= CENTURY_S for rate in parse_many(text))
    except ValueError:
        return False


def _check_polling(settings: Settings) -> None:
    for field in ("polling_deprecated_at", "polling_sunset_at"):
        if (text := getattr(settings, field)) is not None:
            try:
                moment(text)
            except (ValueError, OverflowError):
                _refuse(field, "must be a time such as 2027-01-01T00:00:00Z (RFC 3339)")
    if (
        settings.polling_deprecated_at
        and settings.polling_sunset_at
        and moment(settings.polling_sunset_at) < moment(settings.polling_deprecated_at)
    ):
        _refuse("polling_sunset_at", "is before POLLING_DEPRECATED_AT (RFC 9745, 4)")


def moment(text: str) -> datetime:
    """The time that a setting names, in UTC: RFC 3339, or a date alone. Raises `ValueError`, or `OverflowError` for
    what in UTC is of no year from 1 to 9999.
    """
    if not _MOMENT.fullmatch(text):
        raise ValueError(text)
    given = datetime.fromisoformat(text.upper())
    return (given.replace(tzinfo=UTC) if given.tzinfo is None else given).astimezone(UTC)


def _refuse(field: str, reason: str) -> NoReturn:
    raise BadConfiguration(f"{variable(field)}: {reason}")


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a listener on `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_local_url(url: str) -> bool:
    """Whether `url` leads to this machine. A proxy of the environment knows it by the same name, and is another."""
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
