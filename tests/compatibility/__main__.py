"""`python -m tests.compatibility [name] [--write]`: try the clients and the publishers, and write the tables of
docs/reference/clients.md."""

import argparse
import asyncio
import re
import sys
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from tests.compatibility import publishing, trial, verdicts
from tests.compatibility.rows import Row, publishers, rows
from tests.support.services import CannotStart, private_directory

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "clients.md"
BEGIN, END = "<!-- written by `make clients` -->\n", "<!-- until here -->\n"
HEAD = """| client | killed | drained | the token ends (401) | busy | a proxy answers 502 | set up |
|---|---|---|---|---|---|---|
"""
PUBLISHERS_HEAD = """| publisher | connections closed, then the broker killed | set up |
|---|---|---|
"""


def main() -> int:
    """0 when every client that was tried could be started."""
    parser = argparse.ArgumentParser(prog="python -m tests.compatibility", description=__doc__)
    parser.add_argument("name", nargs="?", default="", help="only those whose name contains this")
    parser.add_argument("--write", action="store_true", help="put the rows of a few into the page too")
    arguments = parser.parse_args()
    try:
        clients, senders = rows(arguments.name), publishers(arguments.name)
        tables = _tried(clients, senders)
    except CannotStart as exc:
        print(exc, file=sys.stderr)
        return 1
    print(*tables, sep="\n", end="")
    if arguments.write or not arguments.name:
        for table in tables:
            write(table, whole=not arguments.name)
        print(f"written to {PAGE}", file=sys.stderr)
    return 1 if any("never came" in table for table in tables) else 0


def _tried(clients: Sequence[Row], senders: Sequence[Row]) -> list[str]:
    tables: list[str] = []
    with tempfile.TemporaryDirectory(prefix="notify-sse-clients") as folder:
        if clients:
            tables.append(asyncio.run(tabulate(clients, Path(folder))))
    if senders:
        tables.append(asyncio.run(tabulate_publishers(senders, private_directory())))
    return tables


async def tabulate(found: Sequence[Row], folder: Path) -> str:
    """The table of the clients, as Markdown."""
    killed, drained, busy, bad = [
        [verdicts.on_coming_back(seen) for seen in await trial.try_all(found, folder / happening.__name__, happening)]
        for happening in (trial.killed, trial.drained, trial.busy, trial.bad_gateway)
    ]
    ended = await trial.try_all(found, folder / "ended", trial.out_of_date, ttl_s=trial.TOKEN_TTL_S)
    refused = [verdicts.on_refusal(seen) for seen in ended]
    return HEAD + _lines(
        zip(
            [row.name for row in found], killed, drained, refused, busy, bad, [row.set_up for row in found], strict=True
        )
    )


async def tabulate_publishers(found: Sequence[Row], folder: Path) -> str:
    """The table of the publishers."""
    arrived = await publishing.try_all(found, folder)
    return PUBLISHERS_HEAD + _lines(
        (row.name, publishing.on_publishing(numbers), row.set_up) for row, numbers in zip(found, arrived, strict=True)
    )


def _lines(rows: Iterable[Iterable[str]]) -> str:
    return "".join(f"| {' | '.join(cells)} |\n" for cells in rows)


def write(table: str, *, whole: bool = True) -> None:
    """Put `table` in the place of the one with the same head that stands in the page; only its rows, unless `whole`."""
    page = PAGE.read_text(encoding="utf-8")
    head = "".join(table.splitlines(keepends=True)[:2])
    pattern = re.compile(f"{re.escape(BEGIN + head)}(.*?){re.escape(END)}", re.DOTALL)
    stands = pattern.search(page)
    assert stands, f"{PAGE.name} has no place for the table"
    new = table.removeprefix(head)
    body = new if whole else merged(stands[1], new)
    PAGE.write_text(page[: stands.start()] + BEGIN + head + body + END + page[stands.end() :], encoding="utf-8")


def merged(old: str, new: str) -> str:
    """The rows of `old`, those of `new` in the place of the ones that they name; others behind those of their kind."""
    lines = old.splitlines(keepends=True)
    for line in new.splitlines(keepends=True):
        same = [at for at, one in enumerate(lines) if _name(one) == _name(line)]
        kind = [at for at, one in enumerate(lines) if _name(one).split()[0] == _name(line).split()[0]]
        if same:
            lines[same[0]] = line
        else:
            lines.insert(kind[-1] + 1 if kind else len(lines), line)
    return "".join(lines)


def _name(line: str) -> str:
    return line.split(" | ", maxsplit=1)[0].removeprefix("| ")


if __name__ == "__main__":
    sys.exit(main())
