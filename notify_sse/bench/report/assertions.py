"""`--assert 'p95<100'`: what must hold of the figures, so that a run can pass or fail, as in CI."""

import operator
import re
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from notify_sse.bench.report.results import Outcome

FORM: Final = re.compile(
    r"\s*(?:(?P<scenario>[a-z]+)\.)?(?P<figure>\w+)\s*(?P<sign><=|>=|==|<|>|=)\s*(?P<limit>[\d.]+)\s*"
)
SIGNS: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "=": operator.eq,
    "==": operator.eq,
}


class Assertion(NamedTuple):
    """A comparison of one figure, in one scenario or in each that has it. `text` is as it was given."""

    text: str
    scenario: str | None
    figure: str
    sign: str
    limit: float


def parsed(text: str) -> Assertion:
    """`p95<100`, `lost=0`, `steady.received>=1000`; ValueError, with an example, for anything else.

    A figure is named as in the results, the unit of milliseconds may be left out: `p95` is `p95_ms`.
    """
    found = FORM.fullmatch(text)
    try:
        limit = float(found["limit"]) if found else None
    except ValueError:
        limit = None
    if found is None or limit is None:
        raise ValueError(f"{text!r} is not a comparison of a figure, such as 'p95<100' or 'steady.lost=0'")
    return Assertion(text, found["scenario"], found["figure"], found["sign"], limit)


def failures(assertions: Sequence[Assertion], outcomes: Sequence[Outcome]) -> list[str]:
    """A line for each assertion that does not hold, and for each problem of a run: what went wrong cannot pass."""
    said = [line for assertion in assertions for line in _failures(assertion, outcomes)]
    return said + [f"{outcome.scenario}: {problem}" for outcome in outcomes for problem in outcome.problems]


def _failures(assertion: Assertion, outcomes: Sequence[Outcome]) -> list[str]:
    figures = [
        (outcome.scenario, outcome.figures[name])
        for outcome in outcomes
        if assertion.scenario in (None, outcome.scenario)
        for name in (assertion.figure, f"{assertion.figure}_ms")
        if name in outcome.figures
    ]
    if not figures:
        return [f"{assertion.text}: no scenario that was run has this figure"]
    return [
        f"{assertion.text}: {scenario} has {'nothing measured' if value is None else f'{value:g}'}"
        for scenario, value in figures
        if value is None or not SIGNS[assertion.sign](value, assertion.limit)
    ]
