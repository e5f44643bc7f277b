"""What both databases tell `notify-sse doctor`: whether they can be reached, their schema, and where the log stands."""

from collections.abc import AsyncIterator, Awaitable, Callable

from notify_sse.core.ports import Finding, Store
from notify_sse.errors import NotifyError
from notify_sse.store.schema import Schema, expected_revision, require_usable
from notify_sse.telemetry.redaction import redacted_url


async def examine(
    database_url: str,
    *,
    store: Callable[[str], Store],
    current_schema: Callable[[str], Awaitable[Schema | None]],
    migrates_itself: bool,
) -> AsyncIterator[Finding]:
    """The findings about any database, asked by an adapter's `store` and `current_schema`. Creates nothing.

    `migrates_itself`: `store.open()` brings an older schema up to date, so that nobody has to run a command.
    """
    place = redacted_url(database_url)
    try:
        found = await current_schema(database_url)
    except NotifyError as exc:
        yield Finding("database", "error", f"{exc}: {place}", "check NOTIFY_SSE_DATABASE_URL, and that it runs")
        return
    if found is None:
        yield Finding("database", "ok", f"empty: {place}", "`notify-sse serve` or `notify-sse migrate` sets it up")
        return
    yield Finding("database", "ok", f"reached: {place}")
    try:
        require_usable(found)
    except NotifyError as exc:
        by_itself = migrates_itself and not found.is_newer
        yield Finding("migrations", "error", str(exc), "`notify-sse serve` does it too" if by_itself else "")
        return
    newer = f", newer than this version's {expected_revision()} and compatible" if found.is_newer else ""
    yield Finding("migrations", "ok", f"schema {found.revision}{newer}")
    yield await _log(store(database_url))


async def _log(store: Store) -> Finding:
    try:
        await store.open()
        head = await store.head()
    except NotifyError as exc:
        return Finding("database", "error", str(exc))
    finally:
        await store.close()
    stretch = f"events {head.floor + 1} to {head.position}"
    return Finding("log", "ok", f"epoch {head.epoch}, {stretch}" if head.position else "empty")
