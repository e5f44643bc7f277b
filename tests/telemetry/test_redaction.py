"""No token and no password passes the log, in either format, whichever part of a record it hides in."""

import io
import json
import logging
import os
import warnings
from collections.abc import Iterator
from typing import Literal
from urllib.parse import quote

import pytest

from notify_sse.telemetry import logs
from notify_sse.telemetry.redaction import MAX_FIELD_CHARS, redacted, redacted_url
from notify_sse.version import __version__
from tests.support.tokens import token

CANARY = "c4naryC4NARY"
JWT = token(sub=CANARY)
HIDING_PLACES = [
    f"GET /notifications/stream?topics=a&access_token={JWT}&x=1 HTTP/1.1",
    f"/stream?access_token={CANARY}",
    f"/stream?next=%2Fstream%3Faccess_token%3D{CANARY}",
    f"Authorization: Bearer {CANARY}",
    f"authorization: bearer {JWT}",
    f"[(b'authorization', b'Bearer {CANARY}'), (b'host', b'h')]",
    f"Cookie: a=1; notify_sse_session={CANARY}; b=2",
    f"{{'token': '{CANARY}', 'password': \"{CANARY}\"}}",
    f'{{"access_token": "{CANARY}"}}',
    f"connecting to postgresql://user:{CANARY}@127.0.0.1:5432/db failed",
    f"amqp://user:{CANARY}%40{CANARY}@mq/",
    f"amqp://user:{CANARY}@{CANARY}@mq/",
    f"amqp://:{CANARY}@mq/",
    f"postgresql://h/d?user=u&password={CANARY}&x=y",
    f"a bare {JWT} in a sentence",
    f"half a token {JWT.rpartition('.')[0]}",
    f"NOTIFY_SSE_JWT_SECRET={CANARY}",
    f"jwt_secret='{CANARY}'",
    f"Authorization: Basic {CANARY}==",
    f"[(b'authorization', b'Basic {CANARY}'), (b'host', b'h')]",
    f"X-Api-Key: {CANARY}",
    f"https://h/hook?api_key={CANARY}&x=1",
]

LogFormat = Literal["text", "json"]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], _ = before
    root.setLevel(before[1])
    logging.captureWarnings(capture=False)


def logged(log_format: LogFormat) -> io.StringIO:
    stream = io.StringIO()
    logs.set_up(level="info", log_format=log_format, stream=stream)
    return stream


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("text", HIDING_PLACES)
def test_a_canary_appears_in_no_part_of_a_record(text: str, log_format: LogFormat) -> None:
    """Message, arguments, extra fields of any type, exception, cause, stack, and warnings of libraries."""
    stream = logged(log_format)
    logger = logging.getLogger("somewhere.else")
    logger.info(text)
    logger.info("with %s and %r", text, {"x": text})
    logger.info("constant", extra={"action": "x", "place": text, "nested": {"a": [text]}, "raw": text.encode()})
    try:
        try:
            raise ValueError(text)  # noqa: TRY301
        except ValueError as exc:
            raise RuntimeError("other") from exc
    except RuntimeError:
        logger.exception("failed", stack_info=True)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(text, stacklevel=1)
    written = stream.getvalue()
    assert written.count("constant") == 1
    assert "RuntimeError: other" in written
    for hidden in (CANARY, JWT, JWT.split(".")[1], JWT.split(".")[2], quote(CANARY)):
        assert hidden not in written


def test_what_is_harmless_stays_readable() -> None:
    for text in (
        "listening on http://127.0.0.1:8000 as all",
        "GET /notifications/stream?topics=a,b&last_event_id=k3f9a1.4710 200",
        "postgresql://user@host:5432/db",
        "recipient:alice@example.org read 5 tokens",
        "2026-11-22T10:00:00.123Z",
        "secretary of state; tokens: they are short",
        "a basic understanding, Basic things",
    ):
        assert redacted(text) == text


def test_a_url_keeps_everything_but_its_password() -> None:
    assert redacted_url("amqp://me:pw@mq:5672/v?heartbeat=10") == "amqp://me:***@mq:5672/v?heartbeat=10"
    assert redacted_url("sqlite:////var/lib/log.db") == "sqlite:////var/lib/log.db"


FRAGMENTS = [
    *(
        "b://x:",
        "://",
        "://a",
        "Basic a",
        "://:",
        "://u:p@",
        "a.",
        "+a",
        ":",
        "@",
        "/",
        " ",
        "\t",
        "'",
        '"',
        "\\",
        '\\"',
        "=",
        "%3D",
        ",",
    ),
    *(
        "token",
        "token=",
        "token=x",
        "token: ",
        'token"',
        "token\\",
        "token %3D",
        "password=(",
        "secret  =",
        "tokentoken=",
    ),
    *("Bearer", "Bearer ", "bearer%20", "Bearer+", "Bearer  x", "eyJ", "-eyJ", "eyJaaaa.", "eyJaaaaeyJ", ".eyJabcd.."),
]


@pytest.mark.deadline(10)
@pytest.mark.parametrize("fragment", FRAGMENTS)
def test_redaction_takes_no_longer_than_the_text_is_long(fragment: str) -> None:
    """CWE-1333. A pattern that began anew within a hostile text would take minutes for one of 200 kB."""
    for after in ("", ' x"@'):
        redacted(fragment * (200_000 // len(fragment)) + after)
        for before in FRAGMENTS:
            redacted(before + fragment * (5_000 // len(fragment)) + after)


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_part_of_a_record_is_longer_than_a_kilobyte(log_format: LogFormat) -> None:
    """Message, field, and each line of a traceback: one hostile request must not fill the log, nor stop the process."""
    stream = logged(log_format)
    hostile = "b://x:" * 10_000
    try:
        raise ValueError(hostile)  # noqa: TRY301
    except ValueError:
        logging.getLogger("x").exception("failed at %s", hostile, extra={"path": hostile})
    assert 0 < len(stream.getvalue()) < 3 * MAX_FIELD_CHARS + 2000
    assert "(60000 characters)" in stream.getvalue()


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_secret_at_the_cut_does_not_show(log_format: LogFormat) -> None:
    """Wherever the text is cut: also where a password has lost the `@` that would show it for one."""
    stream = logged(log_format)
    for secret in (f"postgresql://u:{CANARY}@h/d", f"access_token={CANARY}", f"Bearer {CANARY}", f"say {JWT}"):
        for shown in range(len(secret)):
            text = ("x" * (MAX_FIELD_CHARS - shown - 1) + " " + secret).ljust(2000)
            logging.getLogger("x").info(text, extra={"place": text})
    assert CANARY[:3] not in stream.getvalue()
    assert JWT.split(".")[1][:8] not in stream.getvalue()


def test_json_lines_hold_the_extra_fields_with_their_types() -> None:
    stream = logged("json")
    logging.getLogger("notify_sse.x").warning(
        "constant", extra={"action": "a", "count": 5, "ratio": 0.5, "done": True, "none": None, "level": "mine"}
    )
    record = json.loads(stream.getvalue())
    assert record.pop("time").endswith("Z")
    assert (record.pop("pid"), record.pop("version"), record.pop("worker")) == (os.getpid(), __version__, "0")
    assert record == {
        "level": "warning",
        "logger": "notify_sse.x",
        "message": "constant",
        "action": "a",
        "count": 5,
        "ratio": 0.5,
        "done": True,
        "none": None,
    }


def test_text_lines_hold_the_extra_fields() -> None:
    stream = logged("text")
    logging.getLogger("notify_sse.x").info("constant", extra={"action": "a", "count": 5})
    assert stream.getvalue().endswith(" INFO notify_sse.x: constant action=a count=5\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_value_from_outside_cannot_forge_a_record(log_format: LogFormat) -> None:
    stream = logged(log_format)
    logging.getLogger("x").info("a\nforged", extra={"path": "b\r\n2026 ERROR \x1b[31mforged"})
    assert len(stream.getvalue().splitlines()) == 1
    assert "\x1b" not in stream.getvalue()


def test_the_level_is_the_configured_one() -> None:
    stream = logged("text")
    logging.getLogger("x").debug("quiet")
    logging.getLogger("httpx").info("quiet")
    assert stream.getvalue() == ""
