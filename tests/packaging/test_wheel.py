"""What users install: the wheel holds everything, and works where the sources are not."""

import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
BUILT_FROM = ("LICENSE", "README.md", "migrations", "notify_sse", "pyproject.toml", "setup.cfg")
"""What the Docker build sees too: see .dockerignore."""


def _run(*command: str | Path, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{command}: {done.stderr or done.stdout}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left beside the sources."""
    sources = tmp_path_factory.mktemp("sources")
    for name in BUILT_FROM:
        place = REPOSITORY / name
        (shutil.copytree if place.is_dir() else shutil.copy)(place, sources / name)
    built = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", built, ".", cwd=sources)
    return next(built.glob("notify_sse-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of a new virtual environment with the wheel and what it requires; no extras."""
    environment = tmp_path_factory.mktemp("installed")
    _run(sys.executable, "-m", "venv", environment, cwd=environment)
    _run(environment / "bin/python", "-m", "pip", "install", "-q", wheel, cwd=environment)
    return environment / "bin"


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy of what the repository has, as a release is."""
    sources = tmp_path_factory.mktemp("repository")
    for name in _tracked("."):
        (sources / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(REPOSITORY / name, sources / name)
    environment = tmp_path_factory.mktemp("builder")
    _run(sys.executable, "-m", "venv", environment, cwd=environment)
    _run(environment / "bin/python", "-m", "pip", "install", "-q", "setuptools>=77", cwd=environment)
    build = "import setuptools.build_meta as backend; print(backend.build_sdist('dist'))"
    name = _run(environment / "bin/python", "-c", build, cwd=sources).splitlines()[-1]
    return sources / "dist" / name


def test_the_source_distribution_is_whole_and_has_no_tests(sdist: Path) -> None:
    """Everything that the wheel is built from, the changes, the documentation and the deploy files. Tests need the
    repository: half of them would be worse than none.
    """
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames() if not archive.getmember(name).isdir()}
    expected = {"CHANGELOG.md", "LICENSE", "README.md", "compose.yaml", "Dockerfile", "setup.cfg", "pyproject.toml"}
    for folder in ("notify_sse", "migrations", "deploy", "docs"):
        expected |= _tracked(folder)
    assert sorted(expected - names) == []
    assert sorted(name for name in names if name.startswith("tests")) == []


def _tracked(folder: str) -> set[str]:
    """The files of the repository below `folder`; tracked, or new and not ignored."""
    listed = _run("git", "ls-files", "--cached", "--others", "--exclude-standard", folder, cwd=REPOSITORY)
    return {path for path in listed.splitlines() if (REPOSITORY / path).exists()}


def test_the_wheel_holds_every_file_of_the_package_and_of_the_migrations(wheel: Path) -> None:
    """Modules, SQL, pages and the browser client: a package or a kind of file that setup.cfg forgets is missed."""
    expected = _tracked("notify_sse") | {f"notify_sse/{path}" for path in _tracked("migrations")}
    assert len(expected) > 20
    assert sorted(expected - set(zipfile.ZipFile(wheel).namelist())) == []


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    """No tests, no caches, nothing at the top level that another package could clash with."""
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"notify_sse"}
    for_users = ("notify_sse/client/views/testing.js", "notify_sse/client/views/testing.d.ts")  # for their unit tests
    ours = [name for name in names if name not in for_users]
    assert [name for name in ours if "__pycache__" in name or "test" in name] == []


def test_both_packages_say_where_they_come_from(wheel: Path) -> None:
    """The wheel links what it is made from and what changed; the npm package in it names the same home."""
    packed = zipfile.ZipFile(wheel)
    [name] = [name for name in packed.namelist() if name.endswith(".dist-info/METADATA")]
    metadata = Parser().parsestr(packed.read(name).decode())
    links = dict(line.split(", ", 1) for line in metadata.get_all("Project-URL", []))
    home = json.loads(packed.read("notify_sse/client/package.json"))["homepage"]
    assert metadata["Home-page"] == home
    assert {label: link.partition("#")[0] for label, link in links.items()} == {"Changes": home, "Source": home}


def test_the_installed_command_works_without_the_sources(installed: Path, tmp_path: Path) -> None:
    """`notify-sse --help` names its commands, and `migrate` finds its migrations."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("NOTIFY_SSE_", "PYTHON"))}
    env["NOTIFY_SSE_DATABASE_URL"] = f"sqlite:///{tmp_path / 'log.db'}"
    said = _run(installed / "notify-sse", "--help", cwd=tmp_path, env=env)
    for command in ("serve", "migrate", "token", "publish", "tail", "history", "dlq", "doctor", "settings"):
        assert command in said
    _run(installed / "notify-sse", "migrate", cwd=tmp_path, env=env)
    assert (tmp_path / "log.db").exists()


def test_the_installed_package_is_typed(installed: Path, tmp_path: Path) -> None:
    script = "import importlib.resources as r; print(r.files('notify_sse').joinpath('py.typed').is_file())"
    assert _run(installed / "python", "-I", "-c", script, cwd=tmp_path).strip() == "True"
