"""The documentation site builds, with every page in its navigation and no link that leads nowhere."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md"))
CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))


def _pages(nav: Any) -> list[str]:
    """The pages of a part of the navigation, in order."""
    if isinstance(nav, str):
        return [nav]
    parts = nav.values() if isinstance(nav, dict) else nav
    return [page for part in parts for page in _pages(part)]


def test_every_page_is_in_the_navigation_once() -> None:
    assert sorted(_pages(CONFIG["nav"])) == PAGES


@pytest.mark.parametrize("page", PAGES)
def test_no_link_leaves_the_docs(page: str) -> None:
    """A file of the repository is named as code: the site has the pages only, and a link to it would be dead there."""
    text = (DOCS / page).read_text(encoding="utf-8")
    targets = [target for target in re.findall(r"\]\(([^)#]+)", text) if ":" not in target]
    left = [target for target in targets if not ((DOCS / page).parent / target).resolve().is_relative_to(DOCS)]
    assert not left


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from a copy, so that nothing is left beside the sources."""
    copy = tmp_path_factory.mktemp("site")
    shutil.copytree(DOCS, copy / "docs")
    shutil.copy(ROOT / "mkdocs.yml", copy)
    command: list[str | Path] = [
        Path(sys.executable).parent / "zensical",
        "build",
        "--config-file",
        copy / "mkdocs.yml",
        "--strict",
    ]
    built = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return copy / "build" / "docs"


def test_the_site_has_every_page_and_a_search_index(site: Path) -> None:
    """A word of the glossary is found in the index of the search."""
    built = [re.sub(r"(README|index)\.md$|\.md$", lambda match: "" if match[1] else "/", page) for page in PAGES]
    missing = [page for page in built if not (site / page / "index.html").exists()]
    assert not missing
    index = json.loads((site / "search.json").read_text(encoding="utf-8"))
    assert "generation" in json.dumps(index)


def test_the_site_loads_nothing_from_other_servers(site: Path) -> None:
    """No font, script, style or image of another server: readers are nobody else's business."""
    loads = re.compile(
        r"""<(?:script|img|iframe)[^>]+src="?https?:|<link[^>]+rel="?(?:stylesheet|preconnect)[^>]+https?:"""
    )
    loading = [str(page.relative_to(site)) for page in site.rglob("*.html") if loads.search(page.read_text("utf-8"))]
    assert not loading
