"""docs/how-to/deploy.md shows the files of deploy/ as they are."""

import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
PAGES = sorted((REPOSITORY / "docs").rglob("*.md"))
BLOCK = re.compile(r'^```\w+ title="(deploy/[^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)


def _not_in_its_file(page: str) -> Iterator[str]:
    """Blocks with a file's name that are no stretch of its lines, at whatever depth."""
    for file, shown in BLOCK.findall(page):
        lines = (REPOSITORY / file).read_text(encoding="utf-8").splitlines()
        wanted = shown.splitlines()
        stretches = (
            textwrap.dedent("\n".join(lines[start : start + len(wanted)])).splitlines() for start in range(len(lines))
        )
        if wanted not in stretches:
            yield f"{file}: {wanted[0]}"


def test_what_is_shown_of_a_file_is_in_the_file() -> None:
    stale = [f"{page.name}: {block}" for page in PAGES for block in _not_in_its_file(page.read_text("utf-8"))]
    assert stale == []


def test_every_proxy_is_shown() -> None:
    page = (REPOSITORY / "docs/how-to/deploy.md").read_text(encoding="utf-8")
    shown = {file for file, _ in BLOCK.findall(page)}
    assert {"deploy/nginx.conf", "deploy/Caddyfile", "deploy/haproxy.cfg"} <= shown


def test_a_changed_block_is_noticed() -> None:
    text = '```nginx title="deploy/nginx.conf"\nupstream notify_sse {\n    zone notify_sse 1k;\n```\n'
    assert list(_not_in_its_file(text)) == ["deploy/nginx.conf: upstream notify_sse {"]
    assert list(_not_in_its_file(text.replace("1k", "128k"))) == []


def test_no_proxy_remembers_failures() -> None:
    """A restart breaks many streams at once; each would count as a failure of a gateway that is back by then."""
    servers = re.findall(r"^ +server \d.*$", (REPOSITORY / "deploy/nginx.conf").read_text(), re.MULTILINE)
    assert len(servers) == 2
    assert all("max_fails=0" in server for server in servers)
    assert not re.search(r"^\s*(fail_duration|max_fails)", (REPOSITORY / "deploy/Caddyfile").read_text(), re.MULTILINE)
