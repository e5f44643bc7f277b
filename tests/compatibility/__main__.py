"""`python -m tests.compatibility [name]`: try the clients, and write the table of docs/reference/clients.md."""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.compatibility import trial, verdicts
from tests.compatibility.rows import Row, rows
from tests.support.services import CannotStart

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
BEGIN, END = "<!-- written by `make clients` -->\n", "<!-- until here -->\n"
HEAD = """| client | killed | drained | the token ends (401) | a proxy answers 502 | set up |
|---|---|---|---|---|---|
"""


def main() -> int:
    """0 when every client that was tried could be started."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only clients whose name contains this; nothing is written")
    wanted = parser.parse_args().name
    try:
        found = rows(wanted)
    except CannotStart as exc:
        print(exc, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="notify-sse-clients") as folder:
        table = asyncio.run(tabulate(found, Path(folder)))
    print(table, end="")
    if not wanted:
        write(table)
        print(f"written to {PAGE}", file=sys.stderr)
    return 1 if "never came" in table else 0


async def tabulate(found: Sequence[Row], folder: Path) -> str:
    """The table of the clients, as Markdown."""
    killed, drained, bad = [
        [verdicts.on_coming_back(seen) for seen in await trial.try_all(found, folder / happening.__name__, happening)]
        for happening in (trial.killed, trial.drained, trial.bad_gateway)
    ]
    ended = await trial.try_all(found, folder / "ended", trial.out_of_date, ttl_s=trial.TOKEN_TTL_S)
    refused = [verdicts.on_refusal(seen) for seen in ended]
    cells = zip([row.name for row in found], killed, drained, refused, bad, [row.set_up for row in found], strict=True)
    return HEAD + "".join(f"| {' | '.join(line)} |\n" for line in cells)


def write(table: str) -> None:
    """Put `table` in the place of the one that stands in the page."""
    page = PAGE.read_text(encoding="utf-8")
    pattern = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)
    assert pattern.search(page), f"{PAGE.name} has no place for the table"
    PAGE.write_text(pattern.sub(lambda _: BEGIN + table + END, page), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
