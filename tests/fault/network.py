"""Faults of the network, each on one link: by the proxy, or by the kernel's packet filter."""

import asyncio
from random import Random

from tests.fault.links import Links
from tests.fault.packets import PacketFilter
from tests.fault.schedule import Fault

KINDS = ("reset", "silent drop", "one-way cut", "hold", "delay", "throttle", "packet filter")


class Network:
    """Carries out the faults of `KINDS`, one at a time on a link; each is undone when `strike` returns."""

    def __init__(self, links: Links) -> None:
        self._links = links
        self._filter = PacketFilter()
        self._turns = {link: asyncio.Lock() for link in links.ports}

    def clear(self) -> None:
        """Remove packet filters that are left."""
        self._filter.clear()

    async def strike(self, fault: Fault) -> bool:
        """Break one link for as long as the fault lasts."""
        links = self._links
        link = sorted(links.ports)[int(fault.victim * len(links.ports))]
        async with self._turns[link]:
            return await self._break(link, fault)

    async def overflow(self, link: str, *, for_s: float) -> None:
        """Let nothing through that the broker sends on `link`."""
        async with self._turns[link]:
            await self._links.hold(link, ["down"])
            await asyncio.sleep(for_s)
            await self._links.flow(link)

    async def _break(self, link: str, fault: Fault) -> bool:
        links, rng = self._links, Random(fault.strength)
        if fault.kind == "reset":
            await links.reset(link, share=rng.choice((0.3, 1.0)), seed=fault.number)
            return True
        if fault.kind == "packet filter":
            with self._filter.dropping(links.ports[link], directions=rng.choice((("up",), ("down",), ("up", "down")))):
                await asyncio.sleep(fault.for_s)
            return True
        await self._begin(fault, link, rng)
        await asyncio.sleep(fault.for_s)
        await links.flow(link)
        return True

    async def _begin(self, fault: Fault, link: str, rng: Random) -> None:
        links = self._links
        directions = ("up", "down") if fault.kind != "one-way cut" else (rng.choice(("up", "down")),)
        if fault.kind == "silent drop":
            await links.drop(link, directions)
        elif fault.kind in ("hold", "one-way cut"):
            await (links.drop if rng.random() < 0.3 else links.hold)(link, directions)
        elif fault.kind == "delay":
            await links.slow(link, delay_s=rng.uniform(0.02, 0.4))
        else:
            await links.slow(link, bytes_per_s=rng.choice((2_000, 20_000)))
