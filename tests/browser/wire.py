"""Browsers driven without a driver: Chromium by its devtools protocol, Firefox by WebDriver BiDi.

Both speak the same JSON over a WebSocket. Playwright drives Chromium in most tests; it keeps pages visible, so one that
is to be frozen is driven from here, and it drives only a Firefox of its own make, so Debian's is too.
"""

import asyncio
import contextlib
import itertools
import json
import os
import signal
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import websockets

from tests.support.services import browsers, ensure
from tests.support.services.packages import FIREFOX_NAMES, executable

START_S = 60
PREFERENCES = {
    "app.update.disabledForTesting": True,
    "browser.shell.checkDefaultBrowser": False,
    "datareporting.policy.dataSubmissionEnabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "data:,#remote-settings-dummy/v1",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class Wire:
    """Commands to a browser and their answers, matched by number."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    async def listen(self) -> None:
        """Hands out answers until the browser ends the connection."""
        with contextlib.suppress(websockets.ConnectionClosed):
            async for text in self._socket:
                answer = json.loads(text)
                if (waiting := self._waiting.pop(answer.get("id"), None)) and not waiting.done():
                    waiting.set_result(answer)

    async def call(self, method: str, *, session: str | None = None, **params: Any) -> Any:
        """The result of `method`; AssertionError when the browser refuses it."""
        number = next(self._numbers)
        self._waiting[number] = asyncio.get_running_loop().create_future()
        command = {"id": number, "method": method, "params": params}
        await self._socket.send(json.dumps(command | ({"sessionId": session} if session else {})))
        answer = await self._waiting[number]
        assert "error" not in answer, f"{method}: {answer}"
        return answer["result"]


class Tab:
    """One page. What the browsers do differently is in the two below."""

    def __init__(self, wire: Wire, target: str, session: str | None = None) -> None:
        self.wire = wire
        self.target = target
        self.session = session

    async def goto(self, url: str) -> None:
        raise NotImplementedError

    async def evaluate(self, expression: str) -> Any:
        """The JSON value of a JavaScript expression, awaited when it is a promise."""
        text = await self._text(f"Promise.resolve({expression}).then((value) => JSON.stringify(value ?? null))")
        return json.loads(text)

    async def wait_for_function(self, condition: str, *, timeout: float, polling: float = 50) -> None:  # noqa: ASYNC109
        """As Playwright's, of which it takes the place. In ms."""
        deadline = time.monotonic() + timeout / 1000
        while not await self.evaluate(f"Boolean({condition})"):
            if time.monotonic() > deadline:
                raise TimeoutError(condition)
            await asyncio.sleep(polling / 1000)

    async def _text(self, expression: str) -> str:
        raise NotImplementedError


class ChromiumTab(Tab):
    """A page of Chromium. It is hidden once another one is opened after it."""

    async def goto(self, url: str) -> None:
        await self.wire.call("Page.navigate", session=self.session, url=url)
        await self.wait_for_function("document.readyState === 'complete' && window.ready", timeout=60_000)

    async def freeze(self) -> None:
        await self.wire.call("Page.setWebLifecycleState", session=self.session, state="frozen")

    async def thaw(self) -> None:
        await self.wire.call("Page.setWebLifecycleState", session=self.session, state="active")

    async def _text(self, expression: str) -> str:
        answer = await self.wire.call(
            "Runtime.evaluate", session=self.session, expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in answer, answer
        text: str = answer["result"]["value"]
        return text


class FirefoxTab(Tab):
    """A page of Firefox."""

    async def goto(self, url: str) -> None:
        await self.wire.call("browsingContext.navigate", context=self.target, url=url, wait="complete")

    async def close(self) -> None:
        await self.wire.call("browsingContext.close", context=self.target)

    async def _text(self, expression: str) -> str:
        target = {"context": self.target}
        answer = await self.wire.call("script.evaluate", expression=expression, target=target, awaitPromise=True)
        assert answer["type"] == "success", answer
        text: str = answer["result"]["value"]
        return text


class Chromium:
    """A Chromium with raw devtools."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def new_page(self) -> ChromiumTab:
        made = await self.wire.call("Target.createTarget", url="about:blank")
        target = made["targetId"]
        attached = await self.wire.call("Target.attachToTarget", targetId=target, flatten=True)
        await self.wire.call("Target.activateTarget", targetId=target)
        return ChromiumTab(self.wire, target, attached["sessionId"])


class Firefox:
    """A Firefox with a BiDi session."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    async def new_page(self) -> FirefoxTab:
        made = await self.wire.call("browsingContext.create", type="tab")
        return FirefoxTab(self.wire, made["context"])


@contextlib.asynccontextmanager
async def raw_chromium() -> AsyncIterator[Chromium]:
    """A fresh headless Chromium whose pages can be hidden and frozen."""
    installed = await asyncio.to_thread(browsers.chromium)
    command = [installed.executable_path, "--headless", "--remote-debugging-port=0", *installed.arguments]
    async with (
        _running(command, lambda home: [f"--user-data-dir={home}"], "DevTools listening on ") as address,
        _connected(address) as wire,
    ):
        yield Chromium(wire)


@contextlib.asynccontextmanager
async def firefox(preferences: Mapping[str, Any] | None = None) -> AsyncIterator[Firefox]:
    """A fresh headless Firefox, which takes any certificate."""
    await asyncio.to_thread(ensure, "firefox")
    command = [executable(*FIREFOX_NAMES), "--headless", "--no-remote", "--remote-debugging-port=0"]
    async with (
        _running(
            command, partial(_profile, PREFERENCES | dict(preferences or {})), "WebDriver BiDi listening on "
        ) as address,
        _connected(f"{address}/session") as wire,
    ):
        await wire.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        yield Firefox(wire)


def _profile(preferences: Mapping[str, Any], home: Path) -> list[str]:
    lines = [f'user_pref("{name}", {json.dumps(value)});' for name, value in preferences.items()]
    (home / "user.js").write_text("\n".join(lines))
    return ["--profile", str(home)]


@contextlib.asynccontextmanager
async def _running(command: list[str], arguments: Any, says: str) -> AsyncIterator[str]:
    """The process of a browser with a home of its own; what it says after `says` is where it listens."""
    with tempfile.TemporaryDirectory(prefix="notify-sse-browser-", ignore_cleanup_errors=True) as home:
        process = await asyncio.create_subprocess_exec(
            *command,
            *arguments(Path(home)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | {"HOME": home, "MOZ_CRASHREPORTER_DISABLE": "1"},
            start_new_session=True,
        )
        reading = asyncio.create_task(_said(process, says))
        drained: asyncio.Task[None] | None = None
        try:
            address = await asyncio.wait_for(reading, START_S)
            drained = asyncio.create_task(_drain(process))
            yield address
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            await process.wait()
            if drained:
                await drained


async def _said(process: asyncio.subprocess.Process, says: str) -> str:
    assert process.stderr
    while line := (await process.stderr.readline()).decode(errors="replace"):
        if says in line:
            return line.split(says)[1].strip()
    raise AssertionError(f"the browser ended before it said {says!r}")


async def _drain(process: asyncio.subprocess.Process) -> None:
    assert process.stderr
    while await process.stderr.read(65_536):
        pass


@contextlib.asynccontextmanager
async def _connected(address: str) -> AsyncIterator[Wire]:
    async with websockets.connect(address, max_size=None, ping_interval=None) as socket:
        wire = Wire(socket)
        listening = asyncio.create_task(wire.listen())
        try:
            yield wire
        finally:
            await socket.close()
            await listening
