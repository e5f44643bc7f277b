"""Reads the settings from the environment: which variable fills which field, how its text becomes a value.

Every refusal is one line that names the variable, and never repeats the value: it may be a secret in the wrong place.
"""

import difflib
import functools
import math
import os
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from notify_sse.config.checks import check
from notify_sse.config.names import (
    COMMAND_VARIABLES,
    FILE_SUFFIX,
    IN_FILES,
    LISTS,
    PREFIX,
    RECIPIENTS,
    SECRETS,
    TEST_PREFIX,
    variable,
)
from notify_sse.config.settings import Settings
from notify_sse.errors import BadConfiguration

MAX_FILE_BYTES: Final = 65_536
_UNPRINTABLE: Final = frozenset(("Cc", "Cs", "Zl", "Zp"))


def read_settings(environ: Mapping[str, str], **overrides: Any) -> Settings:
    """The settings that `environ` gives, checked; `overrides` (fields that are not None) win over it.

    An empty variable counts as unset. Raises `BadConfiguration`, one line that names the setting.
    """
    _refuse_unknown_names(environ)
    if unknown := overrides.keys() - set(Settings.__struct_fields__):
        raise TypeError(f"no such setting: {', '.join(sorted(unknown))}")
    values: dict[str, Any] = {}
    for field, kind in _kinds().items():
        if overrides.get(field) is not None:
            values[field] = _converted(overrides[field], kind, variable(field))
            continue
        name, text = _given(environ, field)
        if text:
            _refuse_odd_text(text, field, name)
            values[field] = _converted(_from_text(text, field), kind, name)
    directory = _absolute(values.get("state_dir") or _default_state_dir(environ))
    values["state_dir"] = str(directory)
    values.setdefault("database_url", f"sqlite:///{directory}/log.db")
    settings = Settings(**values)
    check(settings)
    return settings


@functools.cache
def _kinds() -> dict[str, Any]:
    """Each field with its annotated type."""
    return {
        field: kind
        for field, kind in get_type_hints(Settings, include_extras=True).items()
        if field in Settings.__struct_fields__
    }


def _refuse_unknown_names(environ: Mapping[str, str]) -> None:
    known = {variable(field) for field in Settings.__struct_fields__} | {
        variable(one) + FILE_SUFFIX for one in IN_FILES
    }
    for name in sorted(environ):
        # Another case of it would be passed over in silence otherwise.
        if not name.upper().startswith(PREFIX) or name.startswith(TEST_PREFIX) or name in known | COMMAND_VARIABLES:
            continue
        fields = [field.upper() for field in Settings.__struct_fields__]
        nearest = difflib.get_close_matches(name[len(PREFIX) :].upper(), fields, n=1)
        hint = f"did you mean {PREFIX}{nearest[0]}?" if nearest else "`notify-sse settings` lists all"
        raise BadConfiguration(f"{name}: there is no such setting; {hint}")


def _given(environ: Mapping[str, str], field: str) -> tuple[str, str]:
    """The variable that gives `field`, its own or the one that names a file; and the text, "" when there is none."""
    name = variable(field)
    named = name + FILE_SUFFIX
    path = environ.get(named, "") if field in IN_FILES else ""
    if not path:
        return name, environ.get(name, "")
    if environ.get(name):
        raise BadConfiguration(f"{named}: {name} is set, too; set one of them")
    try:
        with Path(path).open("rb") as file:
            text = file.read(MAX_FILE_BYTES + 1).decode()
    except OSError as exc:
        raise BadConfiguration(f"{named}: the file cannot be read ({exc.strerror})") from None
    except ValueError:
        raise BadConfiguration(f"{named}: the file is no text in UTF-8") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text or len(text) > MAX_FILE_BYTES:
        raise BadConfiguration(f"{named}: the file {'is too large' if text else 'is empty'}")
    return named, text


def _refuse_odd_text(text: str, field: str, name: str) -> None:
    """Refuse what no setting can mean. A secret is looked at as it is, in `checks`."""
    given = text.strip()
    if field in SECRETS:
        given = text
    elif not given:
        raise BadConfiguration(f"{name}: is blank; leave it out")
    elif any(unicodedata.category(character) in _refused_categories(field) for character in given):
        raise BadConfiguration(f"{name}: has a line end or another character that does not print; leave it out")
    # A shell takes quotes away, an env file often does not: then they are a part of the value, and it is another.
    if len(given) > 1 and given[0] == given[-1] and given[0] in "\"'`":
        raise BadConfiguration(f"{name}: is in quotes, which belong to the value here; leave them out")


def _refused_categories(field: str) -> frozenset[str]:
    """Of Unicode: control characters, format characters, line ends, and half of a character (bytes that are no UTF-8
    come as those). PEM text has line ends; a recipient may have any character.
    """
    if field == "jwt_public_key":
        return frozenset(("Cs",))
    return _UNPRINTABLE if field in RECIPIENTS else _UNPRINTABLE | {"Cf"}


def _absolute(directory: str) -> Path:
    try:
        return Path(directory).expanduser().absolute()
    except RuntimeError:
        raise BadConfiguration(f"{variable('state_dir')}: begins with ~, and there is no such home") from None


def _from_text(text: str, field: str) -> Any:
    if field in LISTS:
        return tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if field in ("role", "log_level", "log_format", "log_streams"):
        return text.strip().lower()
    return text if field in SECRETS else text.strip()


def _converted(value: Any, kind: Any, name: str) -> Any:
    if isinstance(value, str) and _is_count(kind) and not re.fullmatch(r"-?[0-9]{1,30}", value):
        raise BadConfiguration(f"{name}: must be a whole number")
    try:
        converted = msgspec.convert(value, kind, strict=not isinstance(value, str) or _is_text(kind))
    except msgspec.ValidationError as exc:
        raise BadConfiguration(f"{name}: {_reason(kind, exc)}") from None
    if isinstance(converted, float) and not math.isfinite(converted):
        raise BadConfiguration(f"{name}: must be a finite number")
    return converted


def _reason(kind: Any, exc: msgspec.ValidationError) -> str:
    """What is wrong with a value, without the value."""
    choices = getattr(kind.__origin__, "__args__", ())
    if choices and all(isinstance(choice, str) for choice in choices):
        return f"must be one of {', '.join(choices)}"
    if kind.__origin__ is bool:
        return "must be true or false"
    reason = str(exc).replace("`", "").replace(" | null", "").replace("Expected", "must be")
    return reason.replace("int", "a whole number").replace("float", "a number").replace("str", "text")


def _is_count(kind: Any) -> bool:
    return kind.__origin__ is int or int in {getattr(one, "__origin__", one) for one in get_args(kind.__origin__)}


def _is_text(kind: Any) -> bool:
    return kind.__origin__ in (str, str | None)


def _default_state_dir(environ: Mapping[str, str]) -> str:
    home = environ.get("HOME") or os.path.expanduser("~")  # noqa: PTH111  (Path.home() raises without a home)
    state_home = environ.get("XDG_STATE_HOME", "")
    # The XDG specification: a relative path there is invalid and to be ignored.
    return f"{state_home if state_home.startswith('/') else f'{home}/.local/state'}/notify-sse"
