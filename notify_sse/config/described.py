"""The settings in words: what each is for the reference, and what is in effect, with secrets hidden."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import msgspec

from notify_sse.config.names import FILE_SUFFIX, IN_FILES, SECRETS, variable
from notify_sse.config.settings import Settings


class Described(msgspec.Struct, frozen=True):
    """One setting, as it is documented."""

    field: str
    kind: str
    default: str
    description: str


class Effective(msgspec.Struct, frozen=True):
    """A setting as it is in effect. The `value` of a `secret` is hidden; of a URL only the password."""

    name: str
    value: str
    source: Literal["environment", "default"]
    secret: bool
    default: str
    kind: str
    description: str


def effective(settings: Settings, environ: Mapping[str, str]) -> list[Effective]:
    """Every setting with its value, in the order of the code. `environ` is what `settings` were read from."""
    return [
        Effective(
            name=variable(one.field),
            value=settings.shown(one.field),
            source="environment" if _is_given(environ, one.field) else "default",
            secret=one.field in SECRETS,
            default=one.default.replace("`", ""),
            kind=one.kind.replace("`", ""),
            description=one.description,
        )
        for one in described()
    ]


def _is_given(environ: Mapping[str, str], field: str) -> bool:
    name = variable(field)
    return bool(environ.get(name) or (field in IN_FILES and environ.get(name + FILE_SUFFIX)))


def described() -> list[Described]:
    """Every setting, in the order of the code."""
    hints = get_type_hints(Settings, include_extras=True)
    return [_described(field, hints[field.name]) for field in msgspec.structs.fields(Settings)]


def _described(field: msgspec.structs.FieldInfo, hint: Any) -> Described:
    assert get_origin(hint) is Annotated
    kind, meta = get_args(hint)
    default = (meta.extra or {}).get("default")
    if default is None:
        default = f"`{_text(field.default)}`" if _text(field.default) else "unset"
    return Described(field.name, _kind(kind, meta), default, meta.description)


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(value)
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _kind(kind: Any, meta: msgspec.Meta) -> str:
    choices = get_args(kind)
    if choices and all(isinstance(choice, str) for choice in choices):
        return " or ".join(f"`{choice}`" for choice in choices)
    if kind is bool:
        return "`true` or `false`"
    if get_origin(kind) is tuple:
        return "list"
    if choices and get_origin(choices[0]) is Annotated:  # a number, or unset
        kind, meta = get_args(choices[0])
    if kind not in (int, float):
        return "text"
    bounds = [
        f"{sign} {bound:g}" if isinstance(bound, float) else f"{sign} {bound}"
        for sign, bound in ((">", meta.gt), ("≥", meta.ge), ("≤", meta.le))
        if bound is not None
    ]
    return ", ".join(["whole number" if kind is int else "number", *bounds])
