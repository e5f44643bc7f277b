"""What a scenario found: figures for people, and what was wrong."""

from collections.abc import Mapping
from typing import Any

import msgspec


class Finding(msgspec.Struct):
    """`wrong` is empty when everything held."""

    name: str
    figures: dict[str, Any] = {}
    wrong: list[str] = []

    def expect(self, condition: object, complaint: str) -> None:
        if not condition:
            self.wrong.append(complaint)

    def note(self, figures: Mapping[str, Any]) -> None:
        self.figures |= figures

    def __str__(self) -> str:
        lines = [self.name, *(f"  {name:<52} {_text(value)}" for name, value in self.figures.items())]
        return "\n".join([*lines, *(f"  WRONG {line}" for line in self.wrong[:20])])


def _text(value: Any) -> str:
    return f"{value:.3f}" if isinstance(value, float) else str(value)
