"""What the package needs: all of it is used, all that is used is named, and constraints.txt has a version of each."""

import ast
import configparser
import runpy
import sys
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

CONSTRAINTS = Path("constraints.txt")
OPTIONAL = {"pygal", "opentelemetry"}
"""Of extras: imported where they are used, and missed with one line."""


def named() -> dict[str, Requirement]:
    """The requirements of the package itself, by name."""
    setup = configparser.ConfigParser(interpolation=None)
    setup.read("setup.cfg")
    found = [Requirement(line) for line in setup["options"]["install_requires"].split("\n") if line]
    return {canonicalize_name(one.name): one for one in found}


def imported() -> set[str]:
    """The distributions of every module that the code imports, but for the standard library."""
    modules = set()
    for path in Path("notify_sse").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                modules |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                modules.add(node.module.partition(".")[0])
    for path in Path("migrations").rglob("*.py"):
        modules |= {"alembic"} if "alembic" in path.read_text() else set()
    of_module = metadata.packages_distributions()
    foreign = modules - set(sys.stdlib_module_names) - {"notify_sse"} - OPTIONAL
    return {canonicalize_name(of_module[module][0]) for module in foreign}


def brought() -> dict[str, str]:
    """The versions of all that the package needs, as installed here."""
    found: dict[str, str] = runpy.run_path("tools/constraints")["needed"]("notify-sse")
    return {name: version for name, version in found.items() if name != "notify-sse"}


def test_every_requirement_is_used() -> None:
    assert not set(named()) - imported()


def test_every_import_comes_from_a_requirement() -> None:
    assert not imported() - set(brought())


def test_the_constraints_name_all_that_is_needed_and_nothing_else() -> None:
    """`make constraints` writes them anew."""
    lines = [line for line in CONSTRAINTS.read_text().splitlines() if not line.startswith("#")]
    pinned = {name: version for name, _, version in (line.partition("==") for line in lines)}
    assert set(pinned) == set(brought())
    for name, requirement in named().items():
        assert requirement.specifier.contains(pinned[name]), f"{name} {pinned[name]} is not {requirement.specifier}"
