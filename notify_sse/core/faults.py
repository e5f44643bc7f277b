"""What in a document JSON cannot carry faithfully, and which field of a document that does not decode is at fault.

Sound documents are many, and looked at by the list, in C: a batch of 500 with 8,000 numbers each is 0.3 s of work here,
and was 3 s item by item. Faulty ones are looked at item by item, for the name of the field, and within `BLAMED_BYTES`.
Pure.
"""

import json
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeVar

MAX_DEPTH: Final = 32
BLAMED_BYTES: Final = 65_536
"""Of a document that does not decode, no more is searched for the fault: it is there, or nobody says where it is."""
BLAMED_BATCH_BYTES: Final = 1_048_576
"""The same of an array, which may be of megabytes: some hundredths of a second."""
T = TypeVar("T")
Fault = tuple[str, str, str]
"""Field, reason and detail, as of `BadNotification`."""
NOT_JSON: Final[Fault] = ("body", "malformed", "is not valid JSON")
NOT_MSGPACK: Final[Fault] = ("body", "malformed", "is not valid MessagePack")

_MIN_INT: Final = -(2**63)
_MAX_INT: Final = 2**64 - 1
_PLAIN: Final = frozenset((type(None), bool, int, float, str))
_CONTAINERS: Final = frozenset((dict, list))
_KNOWN: Final = _PLAIN | _CONTAINERS
MAX_SAFE_INTEGER: Final = 2**53 - 1
UNSAFE_DIGITS: Final = re.compile(rb"[:,\[-][0-9]{16}")
"""What JSON without blanks has to hold for an integer to be beyond that. In a string it may stand as well."""
_BLANK: Final = re.compile(rb"[ \t\r\n]*")


def fault_in(value: object, path: str) -> Fault | None:
    """The first fault in a payload, found depth first; None when there is none. `path` is its name."""
    return None if _is_sound(value) else next(_faults(value, path, 1), None)


def _is_sound(value: object) -> bool:
    """Whether there is no fault in it. Level by level, each list and each object in a few steps."""
    level: list[Any] = [value]
    for _ in range(MAX_DEPTH):
        below: list[Any] = []
        for container in level:
            if not container:
                continue
            if type(container) is dict and not all(map(_is_text, container)):
                return False
            values = container.values() if type(container) is dict else container
            kinds = set(map(type, values))
            if not kinds <= _PLAIN:
                if not kinds <= _KNOWN:
                    return False
                below += [one for one in values if type(one) in _CONTAINERS]
            if not _are_sound(values, kinds):
                return False
        if not below:
            return True
        level = below
    return False


def _are_sound(values: Collection[Any], kinds: set[type]) -> bool:
    if int in kinds:
        numbers = values if len(kinds) == 1 else [one for one in values if type(one) is int]
        if min(numbers) < _MIN_INT or max(numbers) > _MAX_INT:
            return False
    if float in kinds and not all(math.isfinite(one) for one in values if type(one) is float):
        return False
    return str not in kinds or all(_is_text(one) for one in values if type(one) is str)


def _is_text(value: object) -> bool:
    return type(value) is str and (value.isascii() or not _has_surrogate(value))


def _has_surrogate(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _faults(value: object, path: str, depth: int) -> Iterator[Fault]:
    if not isinstance(value, (dict, list)):
        if fault := scalar_fault(value):
            yield path, "invalid_field", fault
    elif depth > MAX_DEPTH:
        yield path, "too_deep", f"is nested over {MAX_DEPTH} levels"
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _faults(item, f"{path}[{index}]", depth + 1)
    else:
        for name, item in value.items():
            if not isinstance(name, str) or scalar_fault(name):
                yield path, "invalid_field", "has a key that is not a valid string"
            else:
                yield from _faults(item, f"{path}.{name}", depth + 1)


def scalar_fault(value: object) -> str | None:
    """What JSON cannot carry of a value that is neither a list nor an object; None when it can."""
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, str):
        return None if _is_text(value) else "has a lone surrogate or is not valid UTF-8"
    if isinstance(value, int):
        return None if _MIN_INT <= value <= _MAX_INT else "is an integer of over 64 bits"
    if isinstance(value, float):
        return None if math.isfinite(value) else "is not a finite number"
    return f"is a {type(value).__name__}, which JSON cannot carry"


def unsafe_number_in(value: object, path: str) -> str | None:
    """The name of the first integer that a double may not hold exactly (RFC 8259, 6); None when there is none."""
    if type(value) is int:
        return path if abs(value) > MAX_SAFE_INTEGER else None
    inside = (
        ((f"{path}.{name}", one) for name, one in value.items())
        if isinstance(value, dict)
        else ((f"{path}[{index}]", one) for index, one in enumerate(value))
        if isinstance(value, list)
        else ()
    )
    return next((found for name, one in inside if (found := unsafe_number_in(one, name))), None)


def blame(raw: bytes) -> Fault:
    """Which field of a JSON document that did not decode is at fault. Slow, lenient, and only for refusals."""
    if len(raw) > BLAMED_BYTES:
        return NOT_JSON
    try:
        text = raw.decode("utf-8", "surrogateescape")
        given = _leniently(lambda decoder: decoder.decode(text))
    except RecursionError:
        return "body", "too_deep", f"is nested over {MAX_DEPTH} levels"
    except ValueError:
        return NOT_JSON
    return _fault_of_fields(given, "") or NOT_JSON


def blame_batch(raw: bytes, *, max_items: int) -> Iterator[Fault | None]:
    """The same for an array: looks at one item with each step, and gives None until it knows.

    Each step costs no more than `BLAMED_BYTES`, so that others can have their turn in between.
    """
    at = after_blank(raw, 0) + 1
    for place in range(max_items):
        at = after_blank(raw, at)
        if at > BLAMED_BATCH_BYTES:
            break
        text = raw[at : at + BLAMED_BYTES].decode("utf-8", "surrogateescape")
        try:
            item, end = _first_of(text)
        except RecursionError:
            yield f"[{place}].body", "too_deep", f"is nested over {MAX_DEPTH} levels"
            return
        except ValueError:
            break
        if fault := _fault_of_fields(item, f"[{place}]."):
            yield fault
            return
        yield None
        at = after_blank(raw, at + len(text[:end].encode("utf-8", "surrogateescape")))
        if raw[at : at + 1] != b",":
            break
        at += 1
    yield NOT_JSON


def _first_of(text: str) -> tuple[Any, int]:
    """The first document in `text`, and where it ends."""
    return _leniently(lambda decoder: decoder.raw_decode(text))


def after_blank(raw: bytes, at: int) -> int:
    """Behind the blank space of JSON that begins at `at`."""
    blank = _BLANK.match(raw, at)
    return blank.end() if blank else at


def _fault_of_fields(document: object, prefix: str) -> Fault | None:
    fields: Mapping[Any, Any] = document if isinstance(document, dict) else {}
    faults = chain.from_iterable(_faults_of_field(name, value, prefix) for name, value in fields.items())
    return next(faults, None)


def _faults_of_field(name: str, value: object, prefix: str) -> Iterator[Fault]:
    if scalar_fault(name):
        yield f"{prefix}body", "invalid_field", "has a key that is not a valid string"
    if type(value) not in _CONTAINERS or not _is_sound(value):
        yield from _faults(value, prefix + name, 1)


def _leniently(read: Callable[[json.JSONDecoder], T]) -> T:
    """What `read` gets of Python's own decoder, which calls nothing for each number and so is ten times as fast; or of
    ours, where that refuses thousands of digits.
    """
    try:
        return read(_PYTHONS)
    except json.JSONDecodeError:
        raise
    except ValueError:
        return read(_LENIENT)


def _leading_digits(digits: str) -> int:
    """Enough to tell that it is over 64 bits; Python refuses to convert thousands of digits."""
    return int(digits[:25])


_PYTHONS: Final = json.JSONDecoder()
_LENIENT: Final = json.JSONDecoder(parse_int=_leading_digits)
