"""`python -m tests.server.hanging serve …`: the real service, one of whose parts does not come to its end."""

import asyncio
from typing import Any

from notify_sse.broker.memory import MemoryBroker
from notify_sse.cli import main
from notify_sse.server import process


async def _never_closed(*_: Any) -> None:
    await asyncio.Event().wait()


if __name__ == "__main__":
    vars(process)["END_S"] = 0.5
    MemoryBroker.close = _never_closed  # type: ignore[method-assign, assignment]
    main()
