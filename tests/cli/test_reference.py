"""The reference pages are what the code says, and every setting and command is in them."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from notify_sse.cli import COMMANDS, program
from notify_sse.cli.commands import settings
from notify_sse.config import Settings, described, variable

PAGES = Path(__file__).parents[2] / "docs" / "reference"


def test_the_settings_page_is_up_to_date() -> None:
    """`notify-sse settings --markdown > docs/reference/settings.md` makes it so."""
    assert (PAGES / "settings.md").read_text() == settings.markdown()


def test_the_commands_page_is_up_to_date() -> None:
    """`python -m notify_sse.cli.reference > docs/reference/commands.md` makes it so.

    A process of its own: click keeps the help option of a command's first call, which may be another test's.
    """
    made = subprocess.run(
        [sys.executable, "-m", "notify_sse.cli.reference"], capture_output=True, text=True, timeout=60, check=True
    )
    assert (PAGES / "commands.md").read_text() == made.stdout


def test_every_setting_is_described() -> None:
    page = settings.markdown()
    for field in Settings.__struct_fields__:
        assert f"| `{variable(field)}` |" in page
    assert all(len(one.description) > 10 and one.description.endswith(".") for one in described())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself(name: str) -> None:
    """The summary in the list of commands stands for one that is there, and has a help of its own."""
    result = CliRunner().invoke(program, [name, "--help"])
    assert result.exit_code == 0
    assert f"Usage: notify-sse {name}" in result.output.replace("Usage: program", "Usage: notify-sse")
    assert len(result.output.splitlines()) > 4
