"""Plants a bug: a change of a few lines in the source of one function, put in place while the program runs.

The function's code object is replaced, so that every reference to it has the bug. A change whose lines are no longer
found in the source is an error: the mutant has to follow the code, or it proves nothing.
"""

import difflib
import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType

import msgspec


class Change(msgspec.Struct, frozen=True):
    """In the source of `where` (`module:function` or `module:Class.method`), `new` for `old`, which stands there once."""

    where: str
    old: str
    new: str

    def function(self) -> FunctionType:
        """What it changes."""
        module_name, _, path = self.where.partition(":")
        found: object = importlib.import_module(module_name)
        for name in path.split("."):
            found = inspect.getattr_static(found, name)
        assert isinstance(found, FunctionType), self.where
        return found

    def sources(self) -> tuple[str, str]:
        """The function's source before and after."""
        before = textwrap.dedent(inspect.getsource(self.function()))
        if before.count(self.old) != 1:
            raise LookupError(f"stands {before.count(self.old)} times in {self.where}: {self.old!r}")
        return before, before.replace(self.old, self.new)

    def diff(self) -> str:
        """The change, for people."""
        before, after = (text.splitlines() for text in self.sources())
        lines = list(difflib.unified_diff(before, after, lineterm="", n=0))
        return "\n".join([self.where, *(line for line in lines[2:] if not line.startswith("@@"))])

    def compiled(self) -> CodeType:
        """The changed function's code."""
        function = self.function()
        namespace: dict[str, FunctionType] = {}
        exec(compile(self.sources()[1], f"<{self.where}>", "exec"), function.__globals__, namespace)  # noqa: S102
        return namespace[function.__name__].__code__


class Mutant(msgspec.Struct, frozen=True):
    """A seeded bug: `defence` says what it takes out, `row` is that defence's row in the table of failures (0: none)."""

    name: str
    row: int
    defence: str
    changes: tuple[Change, ...]


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Inside, the program has the bug. (A function with free variables, such as one that calls `super()`, cannot be
    changed in this way.)
    """
    sound = [(change.function(), change.function().__code__) for change in mutant.changes]
    for change, code in [(change, change.compiled()) for change in mutant.changes]:
        change.function().__code__ = code
    try:
        yield
    finally:
        for function, code in sound:
            function.__code__ = code
