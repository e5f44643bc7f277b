"""Small files, small functions: one idea each."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.docs.house import PACKAGE, sources

MAX_FILE_LINES = 320
MAX_FUNCTION_LINES = 60
LONG: dict[str, str] = {}
"""What may be longer, `path` or `path:function`, and why."""


def _long(root: Path) -> Iterator[str]:
    for file in sources(root, ".py", ".js"):
        text = file.read_text(encoding="utf-8")
        if len(text.splitlines()) > MAX_FILE_LINES:
            yield f"{file.relative_to(root)}"
        if file.suffix == ".py":
            for node in ast.walk(ast.parse(text)):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _lines(node) > MAX_FUNCTION_LINES:
                    yield f"{file.relative_to(root)}:{node.name}"


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Without its decorators and its docstring, which may say all there is to say."""
    lines = (node.end_lineno or node.lineno) - node.lineno + 1
    first = node.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        lines -= (first.end_lineno or first.lineno) - first.lineno + 1
    return lines


def test_no_file_and_no_function_is_long() -> None:
    """Over 320 lines and over 60; exceptions are listed with their reason, and none is listed in vain."""
    assert sorted(_long(PACKAGE)) == sorted(LONG)


def test_what_is_too_long_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "room").mkdir()
    (tmp_path / "room/long.js").write_text("//\n" * (MAX_FILE_LINES + 1))
    (tmp_path / "room/short.js").write_text("//\n" * MAX_FILE_LINES)
    body = "    pass\n"
    texts = [
        "def long():\n" + body * 60,
        "def short():\n" + body * 59,
        'def described():\n    """What\n    it does."""\n' + body * 59,
    ]
    (tmp_path / "functions.py").write_text("\n".join(texts))
    assert sorted(_long(tmp_path)) == ["functions.py:long", "room/long.js"]
