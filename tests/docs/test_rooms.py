"""The house is as it is drawn: every room has a caption, every module its line in flow.md, every test its room."""

import ast
import re
from pathlib import Path

from tests.docs.house import DOCS, PACKAGE, TESTS, caption, in_backticks, modules, rooms, sources, table_rows

ROOMS_OF_TESTS = {
    *("core", "log", "gateway", "store", "broker", "web", "auth", "config", "telemetry", "server", "cli", "bench"),
    *(
        "client",
        "browser",
        "system",
        "fault",
        "simulation",
        "mutants",
        "comparison",
        "packaging",
        "docs",
        "support",
        "deploy",
        "security",
        "compatibility",
    ),
}
ALSO_IMPORTED = {
    ("support", "simulation"): "the doubles are the simulation's store and metrics, without its clock",
    ("log", "simulation"): "the notification that the simulated store refuses",
    ("mutants", "simulation"): "what has to catch a seeded bug",
    ("bench", "comparison"): "what `make bench` runs, at its smallest",
    ("browser", "client"): "the npm packages of the client's tests",
    ("compatibility", "browser"): "the proxy that misbehaves when it is told to",
    ("server", "cli"): "the commands that read what a process has written",
    ("system", "broker"): "a process that hears what was published",
}
"""Who may import from which room beside its own and tests.support."""


def _named_in_flow() -> set[str]:
    """Paths in the first column of a table, and rooms in headings."""
    page = (DOCS / "explanation/flow.md").read_text(encoding="utf-8")
    modules_named = {path for row in table_rows(page) for path in in_backticks(row[0])}
    headings = re.findall(r"^#+ .*$", page, re.MULTILINE)
    return modules_named | {name for heading in headings for name in in_backticks(heading)}


def _unlike(named: set[str]) -> dict[str, list[str]]:
    there = modules() | rooms()
    return {"not in flow.md": sorted(there - named), "in flow.md, but not there": sorted(named - there)}


def test_every_room_and_module_is_in_flow_md_and_nothing_else() -> None:
    """A room stands in backticks in a heading, `core`; a module in the first column of a table, `core/tail.py`."""
    assert _unlike(_named_in_flow()) == {"not in flow.md": [], "in flow.md, but not there": []}


def test_a_module_that_is_missing_in_flow_md_is_noticed() -> None:
    named = (modules() | rooms()) - {"errors.py", "core"} | {"core/gone.py"}
    assert _unlike(named) == {"not in flow.md": ["core", "errors.py"], "in flow.md, but not there": ["core/gone.py"]}


def test_every_folder_has_a_caption() -> None:
    """What it is, in the docstring of its `__init__.py`. Folders of JavaScript have their line in flow.md."""
    folders = {path.parent for root in (PACKAGE, TESTS) for path in sources(root, ".py")}
    assert len(folders) > 20
    missing = [str(folder) for folder in folders if not caption(folder / "__init__.py")]
    assert missing == []


def test_every_module_says_what_it_is() -> None:
    """A docstring, or in JavaScript a comment at the top."""
    files = [*sources(PACKAGE, ".py", ".js"), *sources(TESTS, ".py")]
    assert [str(file) for file in files if not caption(file)] == []


def test_a_caption_is_the_first_line_of_prose(tmp_path: Path) -> None:
    for name, text, expected in (
        ("a.py", '"""What it is.\n\nMore."""\n', "What it is."),
        ("b.py", "import os\n", ""),
        ("c.js", "// What it is.\nexport {};\n", "What it is."),
        ("d.js", "export {};\n// Too late.\n", ""),
    ):
        (tmp_path / name).write_text(text)
        assert caption(tmp_path / name) == expected


def test_tests_are_in_rooms_of_the_house() -> None:
    """Nothing lies at the top of tests/ but what pytest wants there."""
    files = sources(TESTS, ".py", ".mjs", ".js", ".ts", ".html", ".jsx")
    assert {file.relative_to(TESTS).parts[0] for file in files if file.parent != TESTS} == ROOMS_OF_TESTS
    assert {file.name for file in files if file.parent == TESTS} == {"__init__.py", "conftest.py"}


def test_what_rooms_of_tests_share_is_in_tests_support() -> None:
    """A room imports from itself and from tests.support; what else it may is listed, with the reason."""
    found = set()
    for file in sources(TESTS, ".py"):
        room = file.relative_to(TESTS).parts[0]
        names = {
            node.module or ""
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
            if isinstance(node, ast.ImportFrom)
        }
        others = {match[1] for name in names if (match := re.match(r"tests\.(\w+)", name))}
        found |= {(room, other) for other in others - {room, "support"}}
    assert found == set(ALSO_IMPORTED)
