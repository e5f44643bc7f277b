"""What others wrote is shown as text, whatever characters it is made of."""

import pytest

from notify_sse.telemetry.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, é and 日本", "plain text, é and 日本"),
        ("one\nERROR forged", "one\\nERROR forged"),
        ("\x1b[2Jé", "\\x1b[2Jé"),
        ("\u202egnp.exe", "\\u202egnp.exe"),
        ("\ud800", "\\ud800"),
        ("", ""),
    ],
)
def test_control_characters_are_escaped_and_nothing_else(text: str, shown: str) -> None:
    """No second line, no terminal sequence, no turned direction (CWE-117); letters of any script stay readable."""
    assert printable(text) == shown
