"""The shell of a page: its `sh` blocks in order, each with the `text` block right below it: what must be seen."""

import re
from pathlib import Path
from typing import NamedTuple

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$(?:\n\n```text\n(.*?)^```$)?", re.MULTILINE | re.DOTALL)
END = "=== end of a block ==="


class Shown(NamedTuple):
    """What is to be pasted, and what it prints; "" when the page does not say."""

    commands: str
    printed: str


def shown(page: str, heading: str) -> list[Shown]:
    """The blocks below a heading, to the next one of its level."""
    return [Shown(commands, printed) for commands, printed in BLOCK.findall(below(page, heading))]


def below(page: str, heading: str) -> str:
    """What stands below a heading, to the next one of its level."""
    level = heading.partition(" ")[0]
    _, found, rest = (DOCS / page).read_text("utf-8").partition(f"\n{heading}\n")
    assert found, f"{page} has no heading {heading!r}"
    return re.split(rf"^{level} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def script(blocks: list[Shown]) -> str:
    """One shell program of all of them; it prints `END` after each."""
    return "\n".join(f"{block.commands}\necho '{END}'" for block in blocks)


def printed(output: str) -> list[str]:
    """What each block of a `script` printed."""
    return [part.removeprefix("\n") for part in output.split(f"{END}\n")][:-1]


def blocks(page: str, heading: str, kind: str) -> list[str]:
    """The blocks of one kind (`text`, `yaml`, …) below a heading, to the next one of its level."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", below(page, heading), re.MULTILINE | re.DOTALL)
