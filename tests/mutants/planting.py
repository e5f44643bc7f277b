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
    """In the source of `where` (`module:function` or `module:Class.method`), `new` for `old`, which stands there
    exactly once.
    """

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

    def applied(self, source: str) -> str:
        """`source` with the change."""
        if source.count(self.old) != 1:
            raise LookupError(f"stands {source.count(self.old)} times in {self.where}: {self.old!r}")
        return source.replace(self.old, self.new)


class Mutant(msgspec.Struct, frozen=True):
    """A seeded bug: `defence` says what it takes out, `row` is its row in the table of failures (0: none), `simulated`
    whether the simulation can see it.
    """

    name: str
    row: int
    defence: str
    changes: tuple[Change, ...]
    simulated: bool = True

    def sources(self) -> Iterator[tuple[FunctionType, str, str]]:
        """Each function that it changes, with its source before and after."""
        by_place: dict[str, list[Change]] = {}
        for change in self.changes:
            by_place.setdefault(change.where, []).append(change)
        for changes in by_place.values():
            function = changes[0].function()
            before = after = textwrap.dedent(inspect.getsource(function))
            for change in changes:
                after = change.applied(after)
            yield function, before, after

    def areas(self) -> set[str]:
        """The modules that it changes, by their own names."""
        return {change.where.partition(":")[0].rpartition(".")[2] for change in self.changes}

    def diff(self) -> str:
        """The bug, for people."""
        lines = []
        for function, before, after in self.sources():
            lines.append(f"{function.__module__}:{function.__qualname__}")
            changed = difflib.unified_diff(before.splitlines(), after.splitlines(), lineterm="", n=0)
            lines += [line for line in list(changed)[2:] if not line.startswith("@@")]
        return "\n".join(lines)


def _compiled(function: FunctionType, source: str) -> CodeType:
    namespace: dict[str, FunctionType] = {}
    exec(compile(source, f"<mutant of {function.__qualname__}>", "exec"), function.__globals__, namespace)
    return namespace[function.__name__].__code__


@contextmanager
def planted(mutant: Mutant) -> Iterator[None]:
    """Inside, the program has the bug. (A function with free variables, such as one that calls `super()`, cannot be
    changed in this way.)
    """
    planting = [(function, function.__code__, _compiled(function, after)) for function, _, after in mutant.sources()]
    for function, _, bug in planting:
        function.__code__ = bug
    try:
        yield
    finally:
        for function, sound, _ in planting:
            function.__code__ = sound
