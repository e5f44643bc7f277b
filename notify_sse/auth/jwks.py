"""Keeps the keys of a JWK set fresh: reads it at the start, every few minutes, and when a token names an unknown key.

The last good set stays in use, whatever happens to its source. One task reads; verifying never waits for it, except for
a token with an unknown key.
"""

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

import httpx

from notify_sse.auth.keys import Key, KeySet, key_set
from notify_sse.config import is_local_url, redacted_url, variable
from notify_sse.errors import BadConfiguration
from notify_sse.telemetry.redaction import redacted

MAX_DOCUMENT_BYTES: Final = 1 << 20
TIMEOUT_S: Final = 5.0
READ_S: Final = 10.0
"""For a whole reading: `TIMEOUT_S` begins anew with every byte that comes."""
MAX_WAITING: Final = 100
"""Requests that wait for a reading because they name an unknown key. One more is refused at once."""

logger = logging.getLogger(__name__)


class Jwks:
    """The keys at `source` (a URL or a file). `on_change` is called when a reading brings other keys."""

    def __init__(
        self,
        source: str,
        *,
        on_change: Callable[[], None] = lambda: None,
        refresh_s: float = 300.0,
        retry_s: float = 5.0,
        unknown_kid_s: float = 10.0,
    ) -> None:
        self._source = source
        self._on_change = on_change
        self._refresh_s = refresh_s
        self._retry_s = retry_s
        self._unknown_kid_s = unknown_kid_s
        self._keys: KeySet | None = None
        self._document = b""
        self._failing = False
        self._reading: asyncio.Task[None] | None = None
        self._periodic: asyncio.Task[None] | None = None
        self._not_before = 0.0
        self._waiting = 0

    @property
    def loaded(self) -> bool:
        """Whether a set was read with success at least once."""
        return self._keys is not None

    def find(self, kid: object) -> Key | None:
        """The key that a token names, in the last good set; None when it has no such key."""
        return self._keys.find(kid) if self._keys is not None else None

    def load_file(self) -> None:
        """Read the keys now, when `source` is a file. Raises `BadConfiguration` when it cannot be used: waiting would
        not help.
        """
        if self._remote:
            return
        try:
            self._use(self._read_file())
        except (OSError, ValueError, RuntimeError) as exc:  # the last: a home that there is not
            detail = redacted(f"{type(exc).__name__}: {exc}")
            raise BadConfiguration(f"{variable('jwks_url')}: cannot be read as a JWK set ({detail})") from None

    async def start(self) -> None:
        """Read the keys, and keep reading them. When the server is down, log it and try again."""
        await self.refresh()
        self._periodic = asyncio.create_task(self._keep_fresh(), name="jwks")

    async def close(self) -> None:
        """Stop reading. Idempotent."""
        tasks = [task for task in (self._periodic, self._reading) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def refresh(self) -> None:
        """Read the keys now. Several callers at the same time share one reading. Failures are logged, not raised.

        Cancelling a caller does not cancel the reading: others may wait for it.
        """
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read_once(), name="jwks read")
        await asyncio.shield(self._reading)

    async def refresh_for_unknown_kid(self) -> bool:
        """Read the keys, because a token names a key that we do not have. Returns whether they were read.

        At most one reading in `unknown_kid_s`, however many tokens ask: anyone can make up a `kid`. At most
        `MAX_WAITING` wait for it.
        """
        if self._waiting >= MAX_WAITING:
            return False
        running = self._reading is not None and not self._reading.done()
        now = asyncio.get_running_loop().time()
        if not running:
            if now < self._not_before:
                return False
            self._not_before = now + self._unknown_kid_s
        self._waiting += 1
        try:
            await self.refresh()
        finally:
            self._waiting -= 1
        return True

    @property
    def _remote(self) -> bool:
        return urlsplit(self._source).scheme in ("http", "https")

    async def _keep_fresh(self) -> None:
        while True:
            await asyncio.sleep(self._retry_s if self._failing else self._refresh_s)
            await self.refresh()

    async def _read_once(self) -> None:
        try:
            async with asyncio.timeout(READ_S):
                document = await (self._fetch() if self._remote else asyncio.to_thread(self._read_file))
            self._use(document)
        except (httpx.HTTPError, httpx.InvalidURL, ImportError, OSError, ValueError) as exc:
            # TimeoutError is an OSError. ImportError: a SOCKS proxy in the environment, and no library for it.
            self._report_failure(exc)
            return
        if self._failing:
            logger.info("keys are read again", extra={"action": "jwks_recovered"})
        self._failing = False

    def _use(self, document: bytes) -> None:
        """Use the keys of `document`; ValueError when it is no key set."""
        if self._keys is not None and document == self._document:
            return
        keys = key_set(document)
        self._document, self._keys = document, keys
        self._on_change()
        logger.info("keys read", extra={"action": "jwks_read", "keys": len(keys.by_kid), "skipped": keys.skipped})

    def _report_failure(self, exc: Exception) -> None:
        """Log the first failure of an outage. An ERROR when there are no keys at all: every token is refused then."""
        if not self._failing:
            fields = {
                "action": "jwks_failed",
                "source": redacted_url(self._source),
                "error": redacted(f"{type(exc).__name__}: {exc}"),
            }
            if self.loaded:
                logger.warning("keys cannot be read; the last ones stay in use", extra=fields)
            else:
                logger.error("keys cannot be read; nobody gets in until they are", extra=fields)
        self._failing = True

    async def _fetch(self) -> bytes:
        trust_env = not is_local_url(self._source)
        # Reading the authorities of a system takes 25 ms, for which every stream would wait.
        verify = await asyncio.to_thread(httpx.create_ssl_context, trust_env=trust_env)
        async with (
            httpx.AsyncClient(timeout=TIMEOUT_S, trust_env=trust_env, verify=verify) as client,
            client.stream("GET", self._source, headers={"Accept": "application/json"}) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise ValueError(f"answered {response.status_code}")
            document = bytearray()
            async for part in response.aiter_bytes():
                document += part
                if len(document) > MAX_DOCUMENT_BYTES:
                    raise ValueError("is too large")
            return bytes(document)

    def _read_file(self) -> bytes:
        parts = urlsplit(self._source)
        path = unquote(parts.path) if parts.scheme == "file" else self._source
        with Path(path).expanduser().open("rb") as file:
            document = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(document) > MAX_DOCUMENT_BYTES:
            raise ValueError("is too large")
        return document
