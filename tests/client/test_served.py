"""The client as the service serves it, and as the wheel carries it."""

import gzip
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.support.service import ServiceFactory

ROOT = Path(__file__).parents[2]
CLIENT = ROOT / "notify_sse/client"
MODULES = sorted(path.relative_to(CLIENT).as_posix() for path in CLIENT.rglob("*.js"))
ENTRY_POINTS = (
    *("badge", "bursts", "notify-devtools", "notify-inbox", "notify-status", "store", "testing"),
    *("react", "redux", "svelte", "vue", "zustand"),
)
"""The modules that users import by `/client/<name>.js`, wherever they lie in the package."""


def test_every_module_is_served_as_javascript_and_asked_for_anew(service: ServiceFactory) -> None:
    """A page never mixes two versions: nothing is cached without asking, and asking costs no second transfer."""
    gateway = service()
    with httpx.Client(base_url=gateway.url) as client:
        for module in MODULES:
            answer = client.get(f"/client/{module}")
            assert answer.status_code == 200, module
            assert answer.headers["content-type"].startswith("text/javascript"), module
            assert answer.headers["cache-control"] == "no-cache", module
        again = client.get("/client/notify-sse.js", headers={"If-None-Match": _tag(client)})
        assert again.status_code == 304
        assert client.get("/client/../pyproject.toml").status_code == 404


def test_the_core_is_at_most_6_kib_with_the_zlib_of_python_too() -> None:
    """Compressors differ by tens of bytes: the promise is kept by the one of Node, and by the usual one."""
    assert len(gzip.compress((CLIENT / "notify-sse.js").read_bytes(), 9)) <= 6144


def test_the_public_addresses_of_modules_stay_the_same(service: ServiceFactory) -> None:
    """Each is a module that exports the one in its folder, so that a page never has two copies of it."""
    with httpx.Client(base_url=service().url) as client:
        for name in ENTRY_POINTS:
            answer = client.get(f"/client/{name}.js")
            assert answer.status_code == 200, name
            assert answer.headers["content-type"].startswith("text/javascript"), name
            assert answer.headers["cache-control"] == "no-cache", name
            found = re.fullmatch(r'export \* from "\./(\w+/[\w-]+\.js)";\n', answer.text)
            assert found, answer.text
            assert found[1] in MODULES


def _tag(client: httpx.Client) -> str:
    tag: str = client.get("/client/notify-sse.js").headers["etag"]
    return tag


@pytest.mark.deadline(180)
def test_the_wheel_carries_all_of_it(tmp_path: Path) -> None:
    """Built from a copy: setuptools leaves a build/ behind, whose old files would end up in later wheels."""
    source = tmp_path / "source"
    for name in ("notify_sse", "migrations"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(source)]
    subprocess.run(command, check=True, timeout=170)
    [wheel] = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.relative_to(CLIENT).as_posix() for path in CLIENT.rglob("*") if path.is_file()}
    assert {f"notify_sse/client/{name}" for name in wanted} <= names
