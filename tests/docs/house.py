"""The house as it stands: its modules and folders, and the names in them. Reads files, imports nothing."""

import ast
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
PACKAGE = REPOSITORY / "notify_sse"
TESTS = REPOSITORY / "tests"
DOCS = REPOSITORY / "docs"
GENERATED = {"__pycache__", "node_modules"}


def sources(root: Path, *suffixes: str) -> list[Path]:
    """The files of those kinds below `root` that somebody wrote."""
    return sorted(
        path
        for path in root.rglob("*")
        if path.suffix in suffixes and not GENERATED & set(path.relative_to(root).parts)
    )


def modules() -> set[str]:
    """The modules of the package, Python and JavaScript, as docs/explanation/flow.md names them: `core/tail.py`."""
    paths = {str(path.relative_to(PACKAGE)) for path in sources(PACKAGE, ".py", ".js")}
    return {path for path in paths if not path.endswith("/__init__.py")}


def rooms() -> set[str]:
    """The folders directly in the package, as docs/explanation/flow.md names them: `core`; and the package itself."""
    parts = {path.relative_to(PACKAGE).parts for path in sources(PACKAGE, ".py", ".js")}
    return {part[0] for part in parts if len(part) > 1} | {"notify_sse/"}


def table_rows(page: str) -> list[list[str]]:
    """The cells of each row of the tables in a Markdown page, without heads and rulers."""
    found: list[list[str]] = []
    ahead: list[str] = []
    for line in page.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if cells and set("".join(cells)) <= set("-: "):
            ahead = cells
        elif cells and ahead:
            found.append(cells)
        elif not cells:
            ahead = []
    return found


def in_backticks(cell: str) -> list[str]:
    """`` `a`, `b` `` → a, b."""
    return re.findall(r"`([^`]+)`", cell)


def caption(file: Path) -> str:
    """The first line of what a Python module says of itself, or of a JavaScript one's first comment; "" for none."""
    text = file.read_text(encoding="utf-8")
    if file.suffix == ".py":
        return (ast.get_docstring(ast.parse(text)) or "").partition("\n")[0].strip()
    first = re.match(r"(?://|/\*\*?)\s*(.*)", text)
    return first[1].removesuffix("*/").strip() if first else ""


class Name(NamedTuple):
    """A public name: a room, a module, a class, or a function at the top of a module."""

    path: str
    name: str
    is_function: bool = False

    @property
    def noun(self) -> str:
        """What the name says that the thing is: the last word, in the singular, in lower case.

        A function is called by a verb mostly; one of a single word may be a noun (`session`). "" when it is none.
        """
        words = re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+", self.name)
        if not words or (self.is_function and len(words) > 1):
            return ""
        return singular(words[-1].lower())


def singular(word: str) -> str:
    """`frames` → frame."""
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def public_names(files: Mapping[str, str]) -> list[Name]:
    """The public names of Python modules, given as path below the package → text."""
    found = []
    for path, text in sorted(files.items()):
        place = Path(path)
        if path != "__init__.py":
            found.append(Name(path, place.parent.name if place.name == "__init__.py" else place.stem))
        for node in ast.parse(text).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found.append(Name(path, node.name))
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
                found.append(Name(path, node.name, is_function=True))
    return found


def package_texts() -> dict[str, str]:
    """The package's Python modules: path → text."""
    return {str(path.relative_to(PACKAGE)): path.read_text(encoding="utf-8") for path in sources(PACKAGE, ".py")}
