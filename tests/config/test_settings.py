"""Settings: each can be set, each wrong one is refused in one line that names it, and none shows a secret."""

import secrets
from pathlib import Path
from typing import Any

import pytest

from notify_sse.config import COMMAND_VARIABLES, IN_FILES, Settings, effective, is_loopback, read_settings, variable
from notify_sse.errors import BadConfiguration

SECRET = "a secret for tests only, of over 32 bytes"
OTHERS = {
    "NOTIFY_SSE_DATABASE_URL": "postgresql://u:p@db/n",
    "NOTIFY_SSE_BROKER_URL": "amqp://u:p@mq/",
    "NOTIFY_SSE_JWT_SECRET": SECRET,
    "HOME": "/home/someone",
}

EACH: dict[str, tuple[str, Any]] = {
    "database_url": ("postgres://u:p%40@h1:5433,[::1]:5433/n?sslmode=require&target_session_attrs=any", None),
    "broker_url": ("amqps://u:p@mq:5671/v%2Fh", None),
    "amqp_prefix": ("team-a.notifications", None),
    "host": ("0.0.0.0", None),
    "port": ("0", 0),
    "admin_host": ("10.0.0.5", None),
    "admin_port": ("9090", 9090),
    "role": ("Gateway", "gateway"),
    "workers": ("4", 4),
    "jwt_secret": ("s" * 32, None),
    "jwt_secret_previous": ("p" * 32, None),
    "token_max_ttl_s": ("86400", 86_400),
    "jwt_audience": ("them", None),
    "jwt_issuer": ("https://id.example.org/", None),
    "query_token_max_ttl_s": ("60", 60),
    "cors_origins": (
        "https://a.example, http://localhost:3000,capacitor://localhost,",
        ("https://a.example", "http://localhost:3000", "capacitor://localhost"),
    ),
    "root_path": ("/team/push", None),
    "public_origins": ("https://push.example:8443", ("https://push.example:8443",)),
    "session_cookie": ("__Host-notify_sse_session", None),
    "heartbeat_s": ("0.2", 0.2),
    "retry_ms": ("500", 500),
    "request_timeout_s": ("0", 0.0),
    "stall_s": ("5", 5.0),
    "drain_s": ("0", 0.0),
    "drain_min_s": ("6", 6.0),
    "keep_alive_s": ("75", 75.0),
    "strict_numbers": ("true", True),
    "max_streams": ("1", 1),
    "max_streams_per_recipient": ("2", 2),
    "max_replays": ("3", 3),
    "max_connections": ("50", 50),
    "broker_management_url": ("http://guest:guest@mq:15672", None),
    "max_connections_per_address": ("10", 10),
    "limit_connects_per_address": ("60/minute", None),
    "limit_connects_per_recipient": ("10/second;300/hour", None),
    "limit_publishes_per_principal": ("5 per 10 seconds", None),
    "limit_history_per_recipient": ("0", None),
    "limit_requests_per_recipient": ("60/minute", None),
    "limit_unauthenticated_per_address": ("1/day", None),
    "trusted_proxies": ("10.0.0.0/8, ::1", ("10.0.0.0/8", "::1")),
    "rollout_percent": ("2.5", 2.5),
    "rollout_allow": ("alice, bob", ("alice", "bob")),
    "rollout_deny": ("carol", ("carol",)),
    "poll_after_s": ("0.5", 0.5),
    "polling_deprecated_at": ("2027-01-01T00:00:00+01:00", None),
    "polling_sunset_at": ("2027-06-30", None),
    "retention_s": ("0.5", 0.5),
    "read_state": ("FALSE", False),
    "tail_max_events": ("10", 10),
    "tail_max_bytes": ("1024", 1024),
    "max_notification_bytes": ("65536", 65536),
    "ingest_batch": ("1", 1),
    "ingest_max_bytes": ("2000000", 2_000_000),
    "publish_timeout_s": ("1.5", 1.5),
    "log_level": ("DEBUG", "debug"),
    "log_format": ("json", "json"),
    "log_streams": ("info", "info"),
    "journal": ("false", False),
    "state_dir": ("/var/lib/notify-sse", None),
}
KEYS = {"jwt_public_key": "/etc/key.pem", "jwks_url": "https://id.example.org/keys"}


def test_every_setting_has_a_test_and_a_description() -> None:
    assert set(EACH) | set(KEYS) == set(Settings.__struct_fields__)


@pytest.mark.parametrize("field", EACH)
def test_each_setting_is_read(field: str) -> None:
    text, value = EACH[field]
    settings = read_settings(OTHERS | {variable(field): text})
    assert getattr(settings, field) == (text if value is None else value)


@pytest.mark.parametrize("field", KEYS)
def test_each_public_key_setting_is_read(field: str) -> None:
    environ = {name: value for name, value in OTHERS.items() if name != "NOTIFY_SSE_JWT_SECRET"}
    settings = read_settings(environ | {variable(field): KEYS[field]})
    assert getattr(settings, field) == KEYS[field]
    assert not settings.development


def test_the_defaults_are_the_embedded_service_in_development_mode() -> None:
    settings = read_settings({"HOME": "/home/someone"})
    assert settings.development
    assert settings.embedded_store
    assert settings.embedded_broker
    assert settings.database_url == "sqlite:////home/someone/.local/state/notify-sse/log.db"
    assert (settings.host, settings.port, settings.heartbeat_s) == ("127.0.0.1", 8000, 15)


def test_the_state_directory_follows_the_xdg_specification() -> None:
    def state_dir(**environ: str) -> str:
        return read_settings({"HOME": "/h"} | environ).state_dir

    assert state_dir(XDG_STATE_HOME="/x") == "/x/notify-sse"
    assert state_dir(XDG_STATE_HOME="relative") == "/h/.local/state/notify-sse"
    assert state_dir(XDG_STATE_HOME="/x", NOTIFY_SSE_STATE_DIR="/y/z") == "/y/z"


def test_options_win_over_the_environment_and_none_means_not_given() -> None:
    settings = read_settings(OTHERS | {"NOTIFY_SSE_PORT": "1", "NOTIFY_SSE_WORKERS": "2"}, port=9, workers=None)
    assert (settings.port, settings.workers) == (9, 2)


def test_an_empty_variable_is_as_unset() -> None:
    """Compose files and CI pass on variables that are not set as empty ones."""
    settings = read_settings({"NOTIFY_SSE_JWT_SECRET": "", "NOTIFY_SSE_PORT": ""})
    assert settings.development
    assert settings.port == 8000


@pytest.mark.parametrize("field", sorted(IN_FILES))
@pytest.mark.parametrize("end", ["", "\n", "\r\n"])
def test_what_is_secret_may_stand_in_a_file(field: str, end: str, tmp_path: Path) -> None:
    """As orchestrators give it: with or without a line end, which is no part of it."""
    text = EACH[field][0]
    (tmp_path / "it").write_bytes(f"{text}{end}".encode())
    others = {name: value for name, value in OTHERS.items() if name != variable(field)}
    if field == "jwt_secret_previous":
        others[variable("jwt_secret")] = SECRET
    named = {f"{variable(field)}_FILE": str(tmp_path / "it")}
    settings = read_settings(others | named)
    assert getattr(settings, field) == text
    [told] = [one for one in effective(settings, named) if one.name == variable(field)]
    assert told.source == "environment"
    with pytest.raises(BadConfiguration, match=f"{variable(field)}_FILE: {variable(field)} is set, too"):
        read_settings(others | named | {variable(field): text})


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"the file cannot be read \(No such file or directory\)"),
        (b"", "the file is empty"),
        (b"\n", "the file is empty"),
        (b"\xff" * 40, "the file is no text in UTF-8"),
        (b"x" * 70_000, "the file is too large"),
        (b"'" + b"x" * 40 + b"'", "is in quotes"),
        (SECRET.encode() + b"\n\n", "line end"),
        (b"short", "32"),
    ],
    ids=["none", "empty", "only a line end", "no text", "too large", "in quotes", "two line ends", "short"],
)
def test_a_file_without_a_secret_is_refused_by_its_variable(
    content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / "it").write_bytes(content)
    environ = {"NOTIFY_SSE_JWT_SECRET_FILE": str(tmp_path / "it"), "NOTIFY_SSE_HOST": "0.0.0.0"}
    with pytest.raises(BadConfiguration, match=f"NOTIFY_SSE_JWT_SECRET.*{message}") as caught:
        read_settings(environ)
    assert "\n" not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_other_settings_stand_in_no_file() -> None:
    with pytest.raises(BadConfiguration, match="NOTIFY_SSE_PORT_FILE: there is no such setting"):
        read_settings({"NOTIFY_SSE_PORT_FILE": "/run/secrets/port"})


def test_other_variables_are_none_of_our_business() -> None:
    own = dict.fromkeys(COMMAND_VARIABLES, "x")
    read_settings({"NOTIFY_SSE_TEST_BROKER_URL": "x", "NOTIFY_SSEX": "x", "PORT": "y"} | own)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"PROT": "1"}, r"PROT: there is no such setting; did you mean NOTIFY_SSE_PORT\?"),
        ({"ZZZZ": "1"}, r"ZZZZ: there is no such setting; `notify-sse settings` lists all"),
        ({"PORT": "http"}, "PORT: must be a whole number"),
        ({"PORT": "80.5"}, "PORT: must be a whole number"),
        ({"PORT": "65536"}, "PORT: .*65535"),
        ({"PORT": "-1"}, "PORT: .*>= 0"),
        ({"WORKERS": "0"}, "WORKERS: .*>= 1"),
        ({"ROLE": "both"}, "ROLE: must be one of all, gateway, ingest"),
        ({"HEARTBEAT_S": "0"}, "HEARTBEAT_S: .*> 0"),
        ({"HEARTBEAT_S": "nan"}, "HEARTBEAT_S: "),
        ({"RETENTION_S": "inf"}, "RETENTION_S: must be a number <= 3155760000"),
        ({"RETENTION_S": "nan"}, "RETENTION_S: must be a "),
        ({"STALL_S": "-1"}, "STALL_S: "),
        ({"DRAIN_S": "-1"}, "DRAIN_S: "),
        ({"RETRY_MS": "0"}, "RETRY_MS: "),
        ({"STRICT_NUMBERS": "perhaps"}, "STRICT_NUMBERS: "),
        ({"ROOT_PATH": "push"}, "ROOT_PATH: "),
        ({"ROOT_PATH": "/push/"}, "ROOT_PATH: "),
        ({"ROLLOUT_PERCENT": "101"}, "ROLLOUT_PERCENT: .*<= 100"),
        ({"POLLING_DEPRECATED_AT": "soon"}, "POLLING_DEPRECATED_AT: must be a time"),
        ({"POLLING_SUNSET_AT": "2027-01-01T00:00:00"}, "POLLING_SUNSET_AT: must be a time"),
        (
            {"POLLING_DEPRECATED_AT": "2027-02-01", "POLLING_SUNSET_AT": "2027-01-01"},
            "POLLING_SUNSET_AT: is before POLLING_DEPRECATED_AT",
        ),
        ({"PUBLISH_TIMEOUT_S": "0"}, "PUBLISH_TIMEOUT_S: "),
        ({"MAX_STREAMS": "0"}, "MAX_STREAMS: "),
        ({"MAX_STREAMS_PER_RECIPIENT": "0"}, "MAX_STREAMS_PER_RECIPIENT: "),
        ({"MAX_REPLAYS": "0"}, "MAX_REPLAYS: "),
        ({"TAIL_MAX_EVENTS": "0"}, "TAIL_MAX_EVENTS: "),
        ({"TAIL_MAX_BYTES": "1"}, "TAIL_MAX_BYTES: "),
        ({"MAX_NOTIFICATION_BYTES": "1"}, "MAX_NOTIFICATION_BYTES: "),
        ({"INGEST_BATCH": "0"}, "INGEST_BATCH: "),
        ({"QUERY_TOKEN_MAX_TTL_S": "0"}, "QUERY_TOKEN_MAX_TTL_S: "),
        ({"LOG_LEVEL": "loud"}, "LOG_LEVEL: must be one of debug, info, warning, error"),
        ({"LOG_FORMAT": "xml"}, "LOG_FORMAT: must be one of text, json"),
        ({"JWT_AUDIENCE": " "}, "JWT_AUDIENCE: "),
        ({"AMQP_PREFIX": "a b"}, "AMQP_PREFIX: "),
        ({"AMQP_PREFIX": "a#"}, "AMQP_PREFIX: "),
        ({"DATABASE_URL": "mysql://h/d"}, "DATABASE_URL: must begin with one of sqlite://, postgresql://"),
        ({"DATABASE_URL": "postgresql:///d"}, "DATABASE_URL: names no host"),
        ({"DATABASE_URL": "postgresql://u:a/b@h/d"}, "DATABASE_URL: is not a URL"),
        ({"DATABASE_URL": "postgresql://h1:1,h2:x/d"}, "DATABASE_URL: is not a URL"),
        ({"DATABASE_URL": "sqlite://"}, "DATABASE_URL: names no file"),
        ({"DATABASE_URL": "sqlite://log.db"}, "DATABASE_URL: names no file"),
        ({"DATABASE_URL": "sqlite:///:memory:"}, "DATABASE_URL: names no file"),
        ({"BROKER_URL": "redis://h"}, "BROKER_URL: must begin with one of memory://, amqp://, amqps://"),
        ({"BROKER_URL": "amqp://"}, "BROKER_URL: names no host"),
        ({"BROKER_URL": "localhost:5672"}, "BROKER_URL: must begin"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS: "),
        ({"CORS_ORIGINS": "null"}, "CORS_ORIGINS: "),
        ({"CORS_ORIGINS": "https://a.example/"}, "CORS_ORIGINS: "),
        ({"CORS_ORIGINS": "https://a.example:443"}, "CORS_ORIGINS: "),
        ({"CORS_ORIGINS": "https://*.example"}, "CORS_ORIGINS: "),
        ({"CORS_ORIGINS": "https://A.example"}, "CORS_ORIGINS: "),
        ({"PUBLIC_ORIGINS": "https://push.example/notifications"}, "PUBLIC_ORIGINS: "),
        ({"SESSION_COOKIE": "session"}, "SESSION_COOKIE: must be one of notify_sse_session, __Host-notify_sse_session"),
        ({"JWT_SECRET": SECRET + "\n"}, "JWT_SECRET: has a line end"),
        ({"JWT_SECRET": SECRET + "\r\n"}, "JWT_SECRET: has a line end"),
        ({"JWT_SECRET": "\ufeff" + SECRET}, "JWT_SECRET: has a line end or another character that does not print"),
        ({"JWT_SECRET": f"{SECRET[:9]}\t{SECRET}"}, "JWT_SECRET: has a line end or another"),
        ({"JWT_SECRET": SECRET + "\\n"}, "JWT_SECRET: has a line end"),
        ({"JWT_SECRET": SECRET + " "}, "JWT_SECRET: begins or ends with a blank or a quote"),
        ({"JWT_SECRET": " " + SECRET}, "JWT_SECRET: begins or ends with a blank or a quote"),
        ({"JWT_SECRET": f'"{SECRET}'}, "JWT_SECRET: begins or ends with a blank or a quote"),
        ({"JWT_SECRET": f"'{SECRET}'"}, "JWT_SECRET: is in quotes"),
        ({"JWT_AUDIENCE": '"notify-sse"'}, "JWT_AUDIENCE: is in quotes"),
        ({"PORT": "'8000'"}, "PORT: is in quotes"),
        ({"HOST": "0.0.0.0", "JWT_SECRET": "known-to-everybody-for-one-machine-only"}, "JWT_SECRET: can be guessed"),
        ({"HOST": "::", "JWT_SECRET": "a" * 32}, "JWT_SECRET: can be guessed"),
        ({"HOST": "10.0.0.1", "JWT_SECRET": "0123456789" * 4}, "JWT_SECRET: can be guessed"),
        ({"HOST": "example.org", "JWT_SECRET": "change-me-change-me-change-me-change"}, "JWT_SECRET: can be guessed"),
        ({"JWT_SECRET": "short"}, "JWT_SECRET: is too short; at least 32 bytes"),
        ({"JWT_SECRET": "-----BEGIN PUBLIC KEY----- and so on and on"}, "JWT_SECRET: .*NOTIFY_SSE_JWT_PUBLIC_KEY"),
        ({"JWT_SECRET": SECRET, "JWT_PUBLIC_KEY": "x"}, "JWT_SECRET: is set together with NOTIFY_SSE_JWT_PUBLIC_KEY"),
        ({"JWT_SECRET": SECRET, "JWKS_URL": "x"}, "JWT_SECRET: is set together with NOTIFY_SSE_JWKS_URL"),
        ({"JWT_PUBLIC_KEY": "x", "JWKS_URL": "x"}, "JWT_PUBLIC_KEY: is set together with NOTIFY_SSE_JWKS_URL"),
        ({"JWKS_URL": "ftp://h/k"}, "JWKS_URL: must be an http"),
        ({"HOST": "0.0.0.0"}, "HOST: .*set NOTIFY_SSE_JWT_SECRET"),
        ({"HOST": "::"}, "HOST: .*set NOTIFY_SSE_JWT_SECRET"),
        ({"HOST": "example.org"}, "HOST: .*set NOTIFY_SSE_JWT_SECRET"),
        ({"WORKERS": "2", "BROKER_URL": "amqp://h"}, "WORKERS: .*set NOTIFY_SSE_DATABASE_URL"),
        ({"WORKERS": "2", "DATABASE_URL": "postgresql://h/d"}, "WORKERS: .*set NOTIFY_SSE_BROKER_URL"),
        ({"ROLE": "ingest", "DATABASE_URL": "postgresql://h/d"}, "ROLE: .*set NOTIFY_SSE_BROKER_URL"),
        ({"ROLE": "gateway"}, "ROLE: .*set NOTIFY_SSE_BROKER_URL"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_refused_in_one_line_that_names_it(environ: dict[str, str], message: str) -> None:
    with pytest.raises(BadConfiguration, match=rf"^NOTIFY_SSE_{message}") as caught:
        read_settings({f"NOTIFY_SSE_{name}": value for name, value in environ.items()})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("field", ["database_url", "broker_url", "jwt_secret", "port", "role", "jwks_url"])
def test_no_refusal_repeats_a_value_that_may_be_a_secret(field: str) -> None:
    """A password in the wrong variable, or in a URL that does not parse, must not reach the terminal or the log."""
    with pytest.raises(BadConfiguration) as caught:
        read_settings({variable(field): "x://u:canary/@h:port"})
    assert "canary" not in str(caught.value)


def test_secrets_and_passwords_are_not_shown() -> None:
    settings = read_settings(
        OTHERS
        | {
            "NOTIFY_SSE_DATABASE_URL": "postgresql://u:canary@h/d?password=canary",
            "NOTIFY_SSE_BROKER_URL": "amqp://u:can%40ary-canary@h",
            "NOTIFY_SSE_JWT_SECRET": "canary" * 8,
        }
    )
    shown = [settings.shown(field) for field in settings.__struct_fields__]
    for text in (*shown, repr(settings), str(settings), f"{settings!r}"):
        assert "canary" not in text
    assert settings.shown("database_url") == "postgresql://u:***@h/d?password=***"


@pytest.mark.parametrize("secret", ["a" * 32, "known-to-everybody-for-one-machine-only", "0123456789" * 4])
def test_on_this_machine_alone_any_secret_will_do(secret: str) -> None:
    assert read_settings({"NOTIFY_SSE_JWT_SECRET": secret}).jwt_secret == secret


@pytest.mark.parametrize("bits", [128, 256, 512])
def test_a_random_secret_is_never_taken_for_one_that_can_be_guessed(bits: int) -> None:
    for _ in range(200):
        for made in (secrets.token_hex(bits // 8), secrets.token_urlsafe(bits // 4)):
            read_settings({"NOTIFY_SSE_JWT_SECRET": made, "NOTIFY_SSE_HOST": "0.0.0.0"})


def test_an_unknown_override_is_a_programming_error() -> None:
    with pytest.raises(TypeError, match="prot"):
        read_settings({}, prot=1)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("::1", True),
        ("[::1]", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("10.0.0.1", False),
        ("localhost.example.org", False),
    ],
)
def test_loopback_addresses(host: str, *, loopback: bool) -> None:
    assert is_loopback(host) is loopback
