"""Whether the store is there, for a process without a relay (role `ingest`): looked at once a second."""

import asyncio
from typing import Final

from notify_sse.core.ports import Store
from notify_sse.errors import StoreUnavailable
from notify_sse.telemetry.outage import Outage

LOOK_S: Final = 1.0


class Watch:
    """`seen` is whether the store was there at all, `away` whether it was not when it was last looked at."""

    def __init__(self, store: Store, *, outage: Outage) -> None:
        self._store = store
        self._outage = outage
        self.seen = self.away = False

    async def run(self) -> None:
        """Look, until cancelled."""
        while True:
            try:
                await self._store.head()
            except StoreUnavailable as exc:
                self.away = True
                self._outage.lost("watch", str(exc), advice=exc.advice)
            else:
                self.seen, self.away = True, False
                self._outage.back("watch")
            await asyncio.sleep(LOOK_S)
