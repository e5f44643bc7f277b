"""Looks whether the store is there, once a second, in a process that has no relay to notice it (role `ingest`)."""

import asyncio
from typing import Final

from notify_sse.core.ports import Store
from notify_sse.errors import StoreUnavailable
from notify_sse.telemetry.outage import LOG_HEAD, Outage

LOOK_S: Final = 1.0


async def watch(store: Store, outage: Outage) -> None:
    """Report to `outage` whether `store` answers, until cancelled."""
    while True:
        try:
            await store.head()
        except StoreUnavailable as exc:
            outage.lost(LOG_HEAD, str(exc), advice=exc.advice)
        else:
            outage.back(LOG_HEAD)
        await asyncio.sleep(LOOK_S)
