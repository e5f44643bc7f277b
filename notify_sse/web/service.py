"""The running parts of one process, as the routes need them. Made by the server, kept in the app's state."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

from notify_sse.auth import Verifier
from notify_sse.auth.revocations import Revocations
from notify_sse.auth.tickets import Tickets
from notify_sse.config import Settings
from notify_sse.core.access import AccessRecords
from notify_sse.core.erasure import Erasure
from notify_sse.core.journal import Journal
from notify_sse.core.model import Announcement
from notify_sse.core.ports import Broker, Store
from notify_sse.core.read_state import ReadState
from notify_sse.core.tail import Tail
from notify_sse.gateway.admission import Admission
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.gateway.rollout import RolloutGate
from notify_sse.log.append import Appender
from notify_sse.log.recall import Recalls
from notify_sse.telemetry.adoption import RecipientsSeen
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import LOG_HEAD, Outage
from notify_sse.web.http.access_log import Requests
from notify_sse.web.limits.histories import Histories
from notify_sse.web.limits.limits import Limits

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.requests import RequestSpans

Unready = Literal["draining", "starting", "keys"]
Degraded = Literal["store", "broker"]


class Service:
    """`announce` tells every process what was committed here. `read_state` is None when it is switched off; `reads` is
    there all the same, for exports. `tell_others` takes a message to the other processes, None where there are none.
    `gateway` is this process's name in the journal, "" where none is kept.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        metrics: Metrics,
        store: Store,
        tail: Tail,
        relay: Relay[Connection],
        registry: Registry,
        admission: Admission,
        appender: Appender,
        verifier: Verifier,
        store_outage: Outage,
        broker: Broker,
        journal: Journal,
        revocations: Revocations,
        tickets: Tickets,
        limits: Limits,
        rollout: RolloutGate,
        recipients_seen: RecipientsSeen,
        histories: Histories,
        records: AccessRecords,
        announce: Callable[[Announcement], None],
        tell_others: Callable[[bytes], None] | None,
        gateway: str,
        read_state: ReadState | None,
        reads: ReadState,
        recalls: Recalls,
        erasure: Erasure,
        spans: "RequestSpans | None" = None,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.requests = Requests(metrics)
        self.store = store
        self.tail = tail
        self.registry = registry
        self.admission = admission
        self.appender = appender
        self.verifier = verifier
        self.revocations = revocations
        self.tickets = tickets
        self.limits = limits
        self.rollout = rollout
        self.recipients_seen = recipients_seen
        self.histories = histories
        self.records = records
        self.announce = announce
        self.tell_others = tell_others
        self.gateway = gateway
        self.read_state = read_state
        self.reads = reads
        self.recalls = recalls
        self.erasure = erasure
        self.spans = spans
        self._relay = relay
        self._store_outage = store_outage
        self.broker = broker
        self.journal = journal

    def unready(self) -> Unready | None:
        """Why this process should get no traffic, or None when it should: it serves streams.

        What all processes share is no reason: a balancer that takes all of them out for a database that is away would
        answer 502 to every client that reconnects, for which an EventSource gives up for ever. See `degraded`.
        """
        if self.admission.draining:
            return "draining"
        ingests_only = self.settings.role == "ingest"
        if not (self._store_outage.reached(LOG_HEAD) if ingests_only else self._relay.filled):
            return "starting"
        return None if self.verifier.ready else "keys"

    def degraded(self) -> tuple[Degraded, ...]:
        """What is away that this process needs for all that it does."""
        away: list[Degraded] = []
        if not self.store_connected:
            away.append("store")
        if not self.broker.connected:
            away.append("broker")
        return tuple(away)

    @property
    def store_connected(self) -> bool:
        """Whether the store answered when it was last asked."""
        return self._store_outage.reached(LOG_HEAD) and not self._store_outage.away(LOG_HEAD)
