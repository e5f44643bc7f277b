"""`python -m tests.store.writer URL PREFIX`: appends for ever, and prints each notification_id with its id once it
is told. For tests that kill or freeze a process amid its appends.
"""

import asyncio
import itertools
import sys

import uvloop

from tests.store.subject import Subject, several, until_stored


async def main(url: str, prefix: str) -> None:
    async with Subject(url).opened() as store:
        for number in itertools.count():
            batch = several(f"{prefix}-{number}", number % 5 + 1)
            stored = (await until_stored(store, batch)).stored
            lines = (f"{one.notification_id} {place.id}\n" for one, place in zip(batch, stored, strict=True))
            sys.stdout.write("".join(lines))
            sys.stdout.flush()
            await asyncio.sleep(0)


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
