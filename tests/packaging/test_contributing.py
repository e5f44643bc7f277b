"""What contributors and platforms read is valid, and says what setup.cfg says."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("[!c]*.yml"))


def _setup() -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def _yaml(path: str) -> Any:
    return yaml.safe_load((ROOT / path).read_text(encoding="utf-8"))


def test_ci_runs_on_every_python_that_we_claim() -> None:
    """The matrix is the list of the classifiers, and each of its jobs runs `.ci/run`."""
    job = _yaml(".github/workflows/ci.yml")["jobs"]["check"]
    claimed = re.findall(r"Python :: (3\.\d+)$", _setup()["metadata"]["classifiers"], re.MULTILINE)
    assert claimed
    assert job["strategy"]["matrix"]["python"] == claimed
    assert ".ci/run" in [step.get("run") for step in job["steps"]]


def test_the_lowest_python_is_the_one_that_pip_and_the_linters_ask_for() -> None:
    setup = _setup()
    lowest = _yaml(".github/workflows/ci.yml")["jobs"]["check"]["strategy"]["matrix"]["python"][0]
    assert setup["options"]["python_requires"] == f">={lowest}"
    assert setup["mypy"]["python_version"] == lowest
    assert f'target-version = "py{lowest.replace(".", "")}"' in (ROOT / "ruff.toml").read_text(encoding="utf-8")


def test_hooks_run_the_tools_of_make_lint() -> None:
    """Each is a local program of the virtual environment, so that a hook and CI never differ in version."""
    (repository,) = _yaml(".pre-commit-config.yaml")["repos"]
    programs = {hook["entry"].split()[0].removeprefix(".venv/bin/") for hook in repository["hooks"]}
    assert repository["repo"] == "local"
    assert {hook["language"] for hook in repository["hooks"]} == {"system"}
    assert programs == {"ruff", "mypy", "lint-imports", "tests/client/node_modules/.bin/biome"}


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.stem)
def test_an_issue_form_has_what_github_asks_for(form: Path) -> None:
    """A name, a description, and at least one field to fill in, each with an id of its own and a label."""
    loaded = _yaml(str(form.relative_to(ROOT)))
    fields = [part for part in loaded["body"] if part["type"] != "markdown"]
    assert loaded["name"]
    assert loaded["description"]
    assert fields
    assert len({field["id"] for field in fields}) == len(fields)
    assert all(field["attributes"]["label"] for field in fields)


def test_every_target_that_contributing_names_exists() -> None:
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")))
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert named
    assert named <= targets
