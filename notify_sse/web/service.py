"""The running parts of one process, as the routes need them. Made by the server, kept in the app's state."""

from collections.abc import Callable
from typing import Literal

from notify_sse.auth import Verifier
from notify_sse.config import Settings
from notify_sse.core.access import AccessRecords
from notify_sse.core.ports import Store
from notify_sse.core.tail import Tail
from notify_sse.gateway.admission import Admission
from notify_sse.gateway.connection import Connection
from notify_sse.gateway.registry import Registry
from notify_sse.gateway.relay import Relay
from notify_sse.gateway.rollout import RolloutGate
from notify_sse.log.append import Appender
from notify_sse.telemetry.adoption import RecipientsSeen
from notify_sse.telemetry.metrics import Metrics
from notify_sse.telemetry.outage import LOG_HEAD, Outage
from notify_sse.web.limits.limits import Limits


class Service:
    """`end_token` ends the streams of a token, by its id, in every process."""

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
        end_token: Callable[[str], None],
        limits: Limits,
        rollout: RolloutGate,
        recipients_seen: RecipientsSeen,
        records: AccessRecords,
    ) -> None:
        self.settings = settings
        self.metrics = metrics
        self.store = store
        self.tail = tail
        self.registry = registry
        self.admission = admission
        self.appender = appender
        self.verifier = verifier
        self.end_token = end_token
        self.limits = limits
        self.rollout = rollout
        self.recipients_seen = recipients_seen
        self.records = records
        self._relay = relay
        self._store_outage = store_outage

    def unready(self) -> Literal["draining", "starting", "keys", "store"] | None:
        """Why this process should get no traffic, or None when it should."""
        if self.admission.draining:
            return "draining"
        ingests_only = self.settings.role == "ingest"
        if not (self._store_outage.reached(LOG_HEAD) if ingests_only else self._relay.filled):
            return "starting"
        if not self.verifier.ready:
            return "keys"
        return "store" if self._store_outage.away(LOG_HEAD) else None
