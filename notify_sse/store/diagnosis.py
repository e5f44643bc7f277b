"""What both databases tell `notify-sse doctor`: whether they can be reached, their schema, where the log stands, and
which gateways were heard of.
"""

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence

from notify_sse.core.journal import Gateway, Journal
from notify_sse.core.ports import Finding, Store
from notify_sse.core.trace import HEARD_OF_S, is_up
from notify_sse.errors import NotifyError
from notify_sse.store.schema import Schema, expected_revision, require_usable
from notify_sse.telemetry.redaction import redacted_url


async def examine(
    database_url: str,
    *,
    store: Callable[[str], Store],
    journal: Callable[[str], Journal],
    current_schema: Callable[[str], Awaitable[Schema | None]],
    migrates_itself: bool,
) -> AsyncIterator[Finding]:
    """The findings about any database, asked by an adapter's `store`, `journal` and `current_schema`. Creates nothing.

    `migrates_itself`: `store.open()` brings an older schema up to date, so that nobody has to run a command.
    """
    place = redacted_url(database_url)
    try:
        found = await current_schema(database_url)
    except NotifyError as exc:
        advice = getattr(exc, "advice", "") or "check NOTIFY_SSE_DATABASE_URL, and that it runs"
        yield Finding("database", "error", f"{exc}: {place}", advice)
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
    for finding in await _gateways(journal(database_url)):
        yield finding


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


async def _gateways(journal: Journal) -> list[Finding]:
    """None when the database does not tell: that it is away is told already."""
    try:
        found = await journal.gateways(since_ms=int((time.time() - HEARD_OF_S) * 1000))
    except NotifyError:
        return []
    finally:
        await journal.close()
    return gateway_findings(found)


def gateway_findings(heard_of: Sequence[Gateway]) -> list[Finding]:
    """What is to be told of the gateways that were heard of within `HEARD_OF_S`."""
    up = [one for one in heard_of if is_up(one)]
    made = [_versions(up)] if up else []
    silent = [one for one in heard_of if not is_up(one) and not one.beat.stopped]
    if silent:
        names = ", ".join(f"{one.beat.gateway} ({one.age_s:.0f} s ago)" for one in silent[:5])
        advice = "they died, or cannot reach the database: look whether they run, and what their log says"
        made.append(
            Finding("silent", "warning", f"{len(silent)} gateways were last heard of a while ago: {names}", advice)
        )
    lost = sum(one.beat.lost for one in up)
    if lost:
        advice = "the database was away for long, or is slow: traces say where they do not know"
        made.append(Finding("journal", "warning", f"{lost} entries of the journal could not be kept", advice))
    return made


def _versions(up: Sequence[Gateway]) -> Finding:
    versions = sorted({one.beat.version for one in up})
    streams, lag = sum(one.beat.streams for one in up), max(one.beat.lag for one in up)
    detail = f"{len(up)} up, {', '.join(versions)}; {streams} streams; at most {lag} events behind the log"
    if len(versions) > 1:
        return Finding("gateways", "warning", detail, "several versions: finish the upgrade, or take it back")
    return Finding("gateways", "ok", detail)
