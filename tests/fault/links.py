"""The control side of the proxy: starts its process, and tells it what to do to which link."""

import asyncio
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from tests.support.services import free_port

BOTH = ("up", "down")


class Links:
    """Links by name, each with a port of its own in front of a target port. An async context manager."""

    def __init__(self, targets: Mapping[str, int], *, log: Path) -> None:
        self.ports = {name: free_port() for name in targets}
        self._targets = dict(targets)
        self._log = log
        self._turn = asyncio.Lock()
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "tests.fault.proxy",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=log,
            )
        wanted = {name: [self.ports[name], target] for name, target in self._targets.items()}
        if await self._say(wanted) != "ready":
            raise RuntimeError(f"the proxy did not start; see {self._log}")
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process
        assert self._process.stdin
        self._process.stdin.close()
        try:
            async with asyncio.timeout(5):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()

    async def reset(self, link: str, *, share: float = 1.0, seed: int = 0) -> int:
        """RST that share of the connections; returns how many there were to it."""
        return await self._command(link, "reset", share=share, seed=seed)

    async def hold(self, link: str, directions: Sequence[str] = BOTH) -> None:
        """Keep everything that is sent in `directions` until `flow`."""
        await self._command(link, "block", directions=list(directions), how="hold")

    async def drop(self, link: str, directions: Sequence[str] = BOTH) -> None:
        """Lose everything that is sent in `directions`; connections that lost something are reset by `flow`."""
        await self._command(link, "block", directions=list(directions), how="drop")

    async def slow(self, link: str, *, delay_s: float = 0.0, bytes_per_s: float = 0.0) -> None:
        """Delay, or throttle, until `flow`."""
        await self._command(link, "slow", delay_s=delay_s, bytes_per_s=bytes_per_s)

    async def flow(self, link: str) -> None:
        """Undo `hold`, `drop` and `slow`."""
        await self._command(link, "flow")

    async def flow_all(self) -> None:
        for link in self.ports:
            await self.flow(link)

    async def count(self, link: str) -> int:
        """How many connections it carries."""
        return await self._command(link, "count")

    async def _command(self, link: str, do: str, **arguments: Any) -> int:
        return int(await self._say({"link": link, "do": do, **arguments}))

    async def _say(self, document: dict[str, Any]) -> str:
        assert self._process
        assert self._process.stdin
        assert self._process.stdout
        async with self._turn:
            self._process.stdin.write(json.dumps(document).encode() + b"\n")
            line = await self._process.stdout.readline()
            if not line:
                raise RuntimeError(f"the proxy ended; see {self._log}")
            return line.decode().strip()
