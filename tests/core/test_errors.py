"""The tree of our exceptions: all of them are in it, each with a code of its own and a meaning."""

import importlib
import inspect
import pkgutil

import click

import notify_sse
from notify_sse import errors
from notify_sse.errors import NotifyError


def _raised() -> list[type[BaseException]]:
    """Every public exception class of the package. A private one does not leave its module."""
    modules = [
        importlib.import_module(found.name)
        for found in pkgutil.walk_packages(notify_sse.__path__, "notify_sse.")
        if found.name != "notify_sse.__main__"
    ]
    return [
        kind
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, BaseException) and kind.__module__ == module.__name__ and not name.startswith("_")
    ]


def test_every_exception_is_in_the_tree() -> None:
    """Except what click prints: that is how the commands show an error, not an error of its own."""
    strangers = [kind for kind in _raised() if not issubclass(kind, NotifyError | click.ClickException)]
    elsewhere = [kind for kind in _raised() if issubclass(kind, NotifyError) and kind.__module__ != errors.__name__]
    assert strangers == elsewhere == []


def test_every_exception_has_a_code_and_a_meaning_of_its_own() -> None:
    kinds = [kind for kind in _raised() if issubclass(kind, NotifyError)]
    assert len({kind.code for kind in kinds}) == len(kinds)
    assert len({kind.meaning() for kind in kinds}) == len(kinds)
    assert all(kind.__doc__ for kind in kinds)
    assert all(not kind.meaning().endswith(".") and "\n" not in kind.meaning() for kind in kinds)


def test_the_tree_is_drawn_whole() -> None:
    assert errors.__doc__
    missing = [
        kind.__name__ for kind in _raised() if issubclass(kind, NotifyError) and kind.__name__ not in errors.__doc__
    ]
    assert not missing
