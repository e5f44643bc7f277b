"""`make help` is the list of what can be done, and it is complete."""

import re
import subprocess
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MAKEFILE = (REPOSITORY / "Makefile").read_text()
CONTRACT = ("run", "test", "check", "docs", "services", "services-stop", "bench", "fault", "mutants", "clean", "help")


def _make(*arguments: str) -> str:
    done = subprocess.run(["make", *arguments], cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _listed() -> dict[str, str]:
    return dict(re.findall(r"^make ([a-z-]+) +(.+)$", _make("help"), re.MULTILINE))


def test_help_lists_every_target_with_what_it_does() -> None:
    """Each target that is not a file has a line, each line has a text, and nothing else is listed."""
    (phony,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)
    listed = _listed()
    assert len(listed) == len(_make("help").splitlines())
    assert sorted(listed) == sorted(phony.split())
    assert set(CONTRACT) <= set(listed)


def test_make_alone_prints_the_help() -> None:
    assert _make() == _make("help")


@pytest.mark.parametrize("target", CONTRACT)
def test_every_target_can_be_planned(target: str) -> None:
    """`make -n` finds a way to each: no missing file, no misspelt prerequisite."""
    assert _make("-n", target)


@pytest.mark.parametrize("target", ["run", "test", "bench", "fault", "mutants"])
def test_args_reach_the_program(target: str) -> None:
    assert _make("-n", target, "ARGS=--some 'quoted words'").rstrip().endswith("--some 'quoted words'")
