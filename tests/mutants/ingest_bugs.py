"""Seeded bugs on the way in: checks, ingest, group commit, and what a store must never do."""

from typing import Final

from tests.mutants.planting import Change, Mutant

_ANNOUNCED_EARLY: Final = """try:
        head = await self._store.head()
        self._on_committed(Announcement(head.epoch, head.position + 1, tuple(
            Event(head.position + 1 + place, one.channel, one.notification_type, one.body, one.expires_ms)
            for place, one in enumerate(together)
        )))
    except StoreUnavailable:
        pass
    try:
        commit = self._spans.commit(together) if self._spans else nullcontext()
"""

_ACKED_EARLY: Final = """try:
        await self._broker.ack(deliveries)
    except BrokerUnavailable:
        pass
    bad += await self._append(good)
"""
_VISIBLE_LATER: Final = """appended = self._database.append(batch)
    early = {one.id for one in appended.stored if one.outcome == 'new'}
    self._database.uncommitted |= early
    self._loop.call_later(self._rng.random(), self._database.uncommitted.difference_update, early)
    return appended"""

_LATER_HALF_FIRST: Final = """later = await self._store_wanted(owned[middle:])
        return [*await self._store_wanted(owned[:middle]), *later]"""


def _bug(name: str, row: int, defence: str, *changes: tuple[str, str, str]) -> Mutant:
    return Mutant(name, row, defence, tuple(Change(where, old, new) for where, old, new in changes))


APPEND: Final = (
    _bug(
        "announce before the commit",
        0,
        "store, then announce",
        (
            "notify_sse.log.append:Appender._store_all",
            "try:\n        commit = self._spans.commit(together) if self._spans else nullcontext()\n",
            _ANNOUNCED_EARLY,
        ),
    ),
    _bug(
        "unknown outcome counts as refused",
        3,
        "after an unknown outcome the same batch is tried again",
        (
            "notify_sse.log.append:Appender._commit",
            "await asyncio.sleep(backoff.next_s())",
            "return self._answer(batch, [Refused('away')] * len(owned))",
        ),
    ),
    _bug(
        "answers mixed up",
        0,
        "each caller gets its own outcomes",
        ("notify_sse.log.append:Appender._answer", "start += len(caller.notifications)", "pass"),
    ),
    _bug(
        "known ones announced as new",
        4,
        "only what is new is announced with its content",
        ("notify_sse.log.append:Appender._announce", 'if stored.outcome == "new"', "if True"),
    ),
    _bug(
        "one refusal for the whole batch",
        13,
        "what the database refuses is found out alone",
        (
            "notify_sse.log.append:Appender._store_all",
            "if len(together) == 1:\n            return [Refused(str(exc))]",
            "if together:\n            return [Refused(str(exc)) for _ in together]",
        ),
    ),
    _bug(
        "second half of a refused batch forgotten",
        13,
        "what stands beside a refused one is stored",
        (
            "notify_sse.log.append:Appender._store_all",
            "*await self._store_wanted(owned[middle:])",
            "*(Refused(str(exc)) for _ in together[middle:])",
        ),
    ),
    _bug(
        "halves of a refused batch swapped",
        13,
        "a batch that is cut keeps its order",
        (
            "notify_sse.log.append:Appender._store_all",
            "return [*await self._store_wanted(owned[:middle]), *await self._store_wanted(owned[middle:])]",
            _LATER_HALF_FIRST,
        ),
    ),
    Mutant(
        "what a queue has back is stored with the rest of a refused batch",
        13,
        "what nobody waits for any more is left out of a refused batch's halves",
        (Change("notify_sse.log.append:Appender._store_wanted", "not caller.done.cancelled()", "True"),),
        simulated=False,
    ),
    _bug(
        "commits but tells nobody",
        2,
        "a commit is announced, and found by comparing if that is lost",
        ("notify_sse.log.append:Appender._store_all", "self._announce(appended, together)", "pass"),
        ("notify_sse.gateway.relay:Relay._asked", "asyncio.timeout_at(until)", "asyncio.timeout_at(None)"),
    ),
)

INGEST: Final = (
    _bug(
        "ack before the commit",
        4,
        "an ack comes only after the commit",
        (
            "notify_sse.log.ingest:Ingest._take",
            "bad += await self._append(spans.carried(good) if spans else good)\n",
            _ACKED_EARLY,
        ),
    ),
    _bug(
        "deliveries of a dead connection are appended",
        1,
        "what the queue has back is forgotten",
        ("notify_sse.log.ingest:Ingest.returned", "self._queue.clear()", "pass"),
    ),
    _bug(
        "a batch of a dead connection is tried again",
        1,
        "what the queue has back is not tried again",
        (
            "notify_sse.log.append:Appender._commit",
            "[caller for caller in batch if not caller.done.cancelled()] or self._take()",
            "batch",
        ),
    ),
    _bug(
        "given back again and again",
        2,
        "what was given back is taken again only when the store is back",
        ("notify_sse.log.pause:Pause.run", "while self._outage.away_s:", "while False:"),
    ),
    _bug(
        "refused ones vanish",
        13,
        "what is refused goes to the dead letters",
        (
            "notify_sse.log.ingest:Ingest._dead_letter_and_ack",
            "await self._dead_letter_until_safe(delivery, exc)",
            "pass",
        ),
    ),
    _bug(
        "ack what is not safe in the dead letters",
        13,
        "a dead letter is acked only once it is safe",
        (
            "notify_sse.log.ingest:Ingest._dead_letter_until_safe",
            "await asyncio.sleep(DEAD_LETTER_RETRY_S)",
            "return",
        ),
    ),
    _bug(
        "key not compared with the body",
        23,
        "a routing key that disagrees with the body is refused",
        ("notify_sse.log.ingest:Ingest._checked", "if delivery.routing_key != expected and not", "if False and not"),
    ),
    _bug(
        "newest delivery first",
        0,
        "deliveries are taken in queue order",
        ("notify_sse.log.ingest:Ingest.run", "self._queue.popleft()", "self._queue.pop()"),
    ),
    _bug(
        "refused by the database, yet acked",
        13,
        "what the database refuses goes to the dead letters too",
        ("notify_sse.log.ingest:Ingest._append_all", "if (refusal := _refusal(outcome))", "if (refusal := None)"),
    ),
)

CHECKS: Final = (
    _bug(
        "retry gets a new id",
        3,
        "the publisher's notification_id is the idempotency key",
        (
            "notify_sse.core.parse:_notification",
            'notification_id = given.get("notification_id")',
            "notification_id = None",
        ),
        (
            "notify_sse.core.parse:_notification",
            '_checked_id(message_id, "message_id") if message_id else new_id()',
            "new_id()",
        ),
    ),
    _bug(
        "other content counts as a repetition",
        3,
        "the digest tells a retry from a conflict",
        (
            "notify_sse.core.parse:_notification",
            "digest=hashlib.blake2b(content, digest_size=16).digest()",
            "digest=b''",
        ),
    ),
)

STORE: Final = (
    _bug(
        "no duplicate check in the log",
        3,
        "a notification_id is stored once",
        (
            "tests.simulation.database:Database.append",
            "known = self.known.get((one.channel, one.notification_id))",
            "known = None",
        ),
    ),
    _bug(
        "page said to reach the head",
        0,
        "a page is complete up to its last event when there is more",
        (
            "tests.simulation.database:Database.after",
            "found[-1].id if len(found) == limit else len(self.rows)",
            "len(self.rows)",
        ),
    ),
    _bug(
        "ids taken before the commit",
        1,
        "ids are given in the step that commits",
        (
            "tests.simulation.database:SimStore._append_at_server",
            "return self._database.append(batch)",
            _VISIBLE_LATER,
        ),
    ),
)

BUGS: Final = APPEND + INGEST + CHECKS + STORE
