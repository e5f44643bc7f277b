"""Odd values in every setting: each is taken as it is documented, or refused in one line that names the setting."""

import math
from typing import Any, get_args, get_type_hints

import pytest

from notify_sse.auth import Verifier
from notify_sse.config import Settings, read_settings, variable
from notify_sse.config.names import LISTS, SECRETS
from notify_sse.errors import BadConfiguration
from tests.config.test_settings import KEYS, OTHERS

BLANK = ("  ", "\t", "\n", "\xa0", " " * 40)
UNPRINTABLE = (
    "\x00",
    "a\x00b",
    "a\nb",
    "a\x1bb",
    "\x7f",
    "\u2028",
    "a\u2029b",
    "\u200b" * 40,
    "\ufeff5",
    "\udcff",
    "\ud800",
)
NUMBERS = (
    *(
        "+5",
        "-5",
        "-0",
        "--5",
        "0x10",
        "1_000",
        "5.",
        ".5",
        "1e3",
        "1e400",
        "1e-400",
        "5,0",
        "5 0",
        "05",
        "\uff15",
        "\u0663",
    ),
    *(
        "nan",
        "NaN",
        "inf",
        "-Infinity",
        "9" * 19,
        "9" * 30,
        "9" * 5000,
        "5s",
        "5 s",
        "1;2",
        "null",
        "None",
        "15.0",
        "1/2",
    ),
)
BOOLEANS = ("true", "TRUE", " True ", "Yes", "on", "1", "0", "off", "no", "f", "t", "2")
LIST_TEXTS = (",", ",,", " , ", "a,,b", "a,a", "a,", ",a", "a;b", "a b")
URLS = (
    *(
        "/",
        "//",
        "://",
        "http://",
        "https://:80",
        "http://h:",
        "http://h:0",
        "http://h:70000",
        "http://h:x",
        "http://[::1",
    ),
    *(
        "http://u:p@",
        "http://u@h",
        "http://u:p@h@i",
        "https://a..b",
        "https://\xe9.example",
        "http://h:\uff15",
        "http://" + "h" * 64,
    ),
    *(
        "amqp://h?x=y",
        "amqp://h?heartbeat=x",
        "amqp://h/?timeout=",
        "amqp://h/?auth=kerberos",
        "amqp://h/a/b",
        "amqp://u:p%@h",
    ),
    *("amqp://a..b", "amqp://h h", "AMQP://h", "memory:", "memory://x", "amqp://h:5672,i:5672", "amqps://h?cafile="),
    *(
        "postgresql://h/d?",
        "postgresql://h/d?x",
        "postgresql://h/d?port=x",
        "postgresql://@h/d",
        "postgresql://u:@h:/d",
    ),
    *(
        "postgresql://a..b/d",
        "postgresql:///d?host=a..b",
        "postgresql:///d?host=/x",
        "postgresql:///d?host=",
        "PostgreSQL://h",
    ),
    *(
        "sqlite:///",
        "sqlite:////x y",
        "sqlite:////a/../b",
        "sqlite://h/x",
        "sqlite:x",
        "file://",
        "file:x",
        "ftp://h/x",
    ),
)
RATES = (
    *("60/minute", "60/minutes", "60 / minute", "60 per minute", "60/fortnight", "-1/minute", "+6/minute", "0/minute"),
    *("1.5/minute", "60/minute;", "1/minute;1/minute", "60/0 minute", "60 per 0 minutes", "9" * 30 + "/minute"),
    *("60/" + "9" * 30 + " years", "60/101 years", "60/", "/minute", "\uff16/minute", "60/minute/minute", "00"),
)
NETWORKS = (
    *(
        "10.0.0.0/33",
        "10.0.0.1/8",
        "::/0",
        "10.0.0.0/8,",
        "10.0.0.0/8,10.0.0.0/8",
        "fe80::1%eth0",
        "010.0.0.1",
        "10.0.0/8",
    ),
    *("::ffff:10.0.0.1", "10.0.0.0/255.0.0.0", "10.0.0.0/-8", "example.org", "[::1]", "10.0.0.0/8 ::1"),
)
TIMES = (
    *(
        "2027-01-01",
        "2027-13-01",
        "20270101",
        "2027-W01-1",
        "2027-01-01T00:00:00",
        "2027-01-01 00:00:00Z",
        "1767225600",
    ),
    *("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2027-01-01T24:00:00Z", "2027-01-01t00:00:00z"),
    *("2027-01-01T00:00:00.5Z", "2027-01-01T00:00Z", "2027-02-29", "\uff12027-01-01", "2027-01-01T00:00:00+99:00"),
)
HOSTS = (
    *(
        "localhost:80",
        "[::1]",
        "[::1",
        "::ffff:127.0.0.1",
        "0",
        "127.1",
        "256.1.1.1",
        "a..b",
        ".a",
        "host name",
        "h" * 64,
    ),
    *("a/b", "a,b", "[localhost]", "\xe9.example", "*", "x.y.", "a." * 130, "-"),
)
PATHS = (
    "~",
    "~nobodyx/x",
    "../x",
    "/..",
    "/a/./b",
    "/a%zz",
    "/a%2",
    "/" + "x" * 300,
    "x" * 5000,
    "amq",
    "amq.x",
    ".",
    "..",
)
ODD = (
    *(*BLANK, *UNPRINTABLE, *NUMBERS, *BOOLEANS, *LIST_TEXTS, *URLS, *RATES, *NETWORKS, *TIMES, *HOSTS, *PATHS),
    *("-----BEGIN PUBLIC KEY-----", "'a'", "\xe9" * 40, "\U0001f600"),
)
KINDS = {field: kind.__origin__ for field, kind in get_type_hints(Settings, include_extras=True).items()}


@pytest.mark.parametrize("field", Settings.__struct_fields__)
def test_an_odd_value_is_taken_as_documented_or_refused_by_name(field: str) -> None:
    taken = 0
    for text in ODD:
        settings = _settings_or_refusal(field, text)
        if settings is None:
            continue
        taken += 1
        value = getattr(settings, field)
        assert value == _as_documented(field, text), text
        assert not isinstance(value, float) or math.isfinite(value), text
        # What is taken can be said, and used where keys are read.
        assert len(settings.shown(field).splitlines()) <= 1 or field == "jwt_public_key", text
        if field in KEYS:
            _read_keys(settings)
    assert taken < len(ODD) - len(BLANK), "nothing is refused"


def _settings_or_refusal(field: str, text: str) -> Settings | None:
    environ = OTHERS | {variable(field): text}
    if field in KEYS:
        del environ["NOTIFY_SSE_JWT_SECRET"]
    try:
        return read_settings(environ)
    except BadConfiguration as exc:
        told = str(exc)
        assert told.startswith(f"{variable(field)}: "), text
        assert told.isprintable(), text
        assert len(told) < 300, text
        return None


def _as_documented(field: str, text: str) -> Any:
    kind = KINDS[field]
    if field in LISTS:
        return tuple(dict.fromkeys(filter(None, map(str.strip, text.split(",")))))
    if field == "state_dir":
        return read_settings({"NOTIFY_SSE_STATE_DIR": text.strip()}).state_dir
    for number in (int, float):
        if kind is number or number in {getattr(one, "__origin__", one) for one in get_args(kind)}:
            return number(text)
    if kind is bool:
        return {"true": True, "1": True, "false": False, "0": False, "-0": False}[text.strip().lower()]
    return text if field in SECRETS else text.strip()


def _read_keys(settings: Settings) -> None:
    """A path or a URL can be anything; what is no key is refused by name, too."""
    try:
        Verifier(settings)
    except BadConfiguration as exc:
        assert str(exc).isprintable()  # noqa: PT017 - that it is not raised is right as well
        assert str(exc).startswith(("NOTIFY_SSE_JWT_PUBLIC_KEY: ", "NOTIFY_SSE_JWKS_URL: "))  # noqa: PT017


@pytest.mark.parametrize("name", ["notify_sse_port", "Notify_Sse_Port", "NOTIFY_SSE_port"])
def test_a_setting_in_another_case_is_no_setting(name: str) -> None:
    """A service that passes over it in silence would run with a default that nobody wanted."""
    with pytest.raises(BadConfiguration, match=rf"{name}: there is no such setting; did you mean NOTIFY_SSE_PORT\?"):
        read_settings({name: "1"})


def test_a_refused_origin_is_not_repeated() -> None:
    """It may be another setting's value, with a password."""
    with pytest.raises(BadConfiguration, match="CORS_ORIGINS: number 2 is not an origin") as caught:
        read_settings({"NOTIFY_SSE_CORS_ORIGINS": "https://a.example,postgresql://u:canary@h/d"})
    assert "canary" not in str(caught.value)
