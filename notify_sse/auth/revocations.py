"""Keeps a process up to date with the revocations, and makes new ones.

They are in the database; each process reads what changed twice a second, and at once when another tells it to over the
live exchange. So they hold within a second with the broker away, and after a restart; a process whose database is away
goes on with what it knows. Knows no stream: who ends them is given as a callable (docs/adr/0021-revocation.md).
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from typing import Final

from notify_sse.auth.grant import Grant
from notify_sse.auth.revoked import Revoked
from notify_sse.core.access import AccessRecords, Change, NewRevocation, RevocationRecord, RevokedKind
from notify_sse.core.model import Revocation, RevocationsChanged
from notify_sse.errors import StoreUnavailable

POLL_S: Final = 0.5
LEAST_PAUSE_S: Final = 0.05
"""Between two readings, however often others tell of changes."""
PAGE: Final = 1000
SWEEP_S: Final = 60.0
TRUSTED_FOR_S: Final = 3600.0
"""After so long without a reading everything is read anew: what was undone meanwhile may have been forgotten."""
ISSUED_LATER_S: Final = 60.0
"""Beside the longest life of a token: its issuer's clock may be ahead of ours (`grant.LEEWAY_S`)."""
MAX_UNWRITTEN: Final = 100_000


class Revocations:
    """`end_here` ends the streams of this process whose token is revoked now: of these subjects, or (None) of all.
    `tell_others` takes a message to the other processes (None: there are none); neither may block or raise. `count` is
    told how many revocations took effect. `longest_s` is for how long a token lives at most; 0: nobody knows.
    """

    def __init__(
        self,
        records: AccessRecords,
        revoked: Revoked,
        *,
        end_here: Callable[[Collection[str] | None], None],
        tell_others: Callable[[bytes], None] | None,
        count: Callable[[int], None] = lambda _: None,
        longest_s: float = 0.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._revoked = revoked
        self._end_here = end_here
        self._tell_others = tell_others or (lambda _: None)
        self._count = count
        self._longest_s = longest_s
        self._clock = clock
        self._version = 0
        self._read_at = float("-inf")
        self._swept_at = clock()
        self._unwritten: deque[NewRevocation] = deque(maxlen=MAX_UNWRITTEN)
        self._asked = asyncio.Event()
        self._known = asyncio.Event()

    async def run(self) -> None:
        """Read what changes, until cancelled."""
        while True:
            with suppress(StoreUnavailable):
                await self.read()
                await self._write()
                await self._sweep()
            await asyncio.sleep(LEAST_PAUSE_S)
            with suppress(TimeoutError):
                async with asyncio.timeout(POLL_S - LEAST_PAUSE_S):
                    await self._asked.wait()

    @property
    def known(self) -> bool:
        """Whether all of them were read once."""
        return self._known.is_set()

    async def when_known(self) -> None:
        """Wait until all revocations are known."""
        await self._known.wait()

    async def read(self) -> None:
        """Take in what changed since the last reading. Raises `StoreUnavailable`."""
        self._asked.clear()
        now = self._clock()
        fresh = not self._known.is_set() or now - self._read_at > TRUSTED_FOR_S
        after, read, newest = 0 if fresh else self._version, list[RevocationRecord](), math.inf
        while after < newest:
            changes = await self._records.revocation_changes(after, limit=PAGE)
            if changes.newest < after:  # another database, or an older copy of this one
                after, read, fresh = 0, [], True
                continue
            read += changes.records
            newest = changes.newest
            after = changes.version if changes.records else newest
        self._version, self._read_at = after, now
        self._take(read, everything=fresh)

    def sign_out(self, grant: Grant) -> None:
        """The token of `grant` is good no more. Returns at once: it is written to the database soon, and again until
        that is done.
        """
        self._revoked.hold(grant.token_id, until=grant.expires_at)
        self._end_here([grant.subject])
        self._tell_others(Revocation(grant.token_id, until=grant.expires_at).encode())
        until_ms = math.ceil(grant.expires_at * 1000)
        self._unwritten.append(
            NewRevocation(kind="token", value=grant.token_id, revoked_ms=self._now_ms(), until_ms=until_ms)
        )
        self._asked.set()

    def hear(self, revocation: Revocation) -> None:
        """Another process took a token back. One of a version before tells of no end, and keeps nothing."""
        if revocation.until:
            self._revoked.hold(revocation.token_id, until=revocation.until)
        self._end_here(None)

    def ask(self) -> None:
        """Another process says that the revocations changed: read them soon."""
        self._asked.set()

    async def revoke(self, kind: RevokedKind, value: str, *, reason: str, who: str, change: Change) -> RevocationRecord:
        """Revoke every token of a subject that was issued until now, or one token. Raises `StoreUnavailable`."""
        revocation = NewRevocation(kind=kind, value=value, revoked_ms=self._now_ms(), reason=reason, who=who)
        return self._changed(await self._records.revoke(revocation, change=change))

    async def undo(self, revocation_id: int, *, change: Change) -> RevocationRecord | None:
        """Take a revocation back; None when there is none such. Raises `StoreUnavailable`."""
        record = await self._records.undo(revocation_id, change=change)
        return self._changed(record) if record else None

    def _now_ms(self) -> int:
        """Rounded up: a token of this very moment is revoked."""
        return math.ceil(self._clock() * 1000)

    def _changed(self, record: RevocationRecord) -> RevocationRecord:
        self._take([record])
        self._tell_others(RevocationsChanged().encode())
        return record

    def _take(self, records: Iterable[RevocationRecord], *, everything: bool = False) -> None:
        if everything:
            self._revoked.replace(records)
            self._revoked.known = True
            self._known.set()
            self._end_here(None)
            return
        if new := self._revoked.apply(records):
            self._count(len(new))
            of_subjects = all(one.kind == "sub" for one in new)
            self._end_here([one.value for one in new] if of_subjects else None)

    async def _write(self) -> None:
        """Write what ended by itself, oldest first. What cannot be written stays."""
        written = False
        while self._unwritten:
            record = await self._records.revoke(self._unwritten[0], change=None)
            self._unwritten.popleft()
            self._take([record])
            written = True
        if written:
            self._tell_others(RevocationsChanged().encode())

    async def _sweep(self) -> None:
        """Once in a while forget what no token can be refused by any more."""
        now = self._clock()
        if now - self._swept_at < SWEEP_S:
            return
        self._swept_at = now
        longest_s = self._longest_s + ISSUED_LATER_S if self._longest_s else 0.0
        self._revoked.expire(now, longest_s=longest_s)
        before_ms = int((now - longest_s) * 1000) if longest_s else None
        await self._records.forget(revoked_before_ms=before_ms, limit=PAGE)
