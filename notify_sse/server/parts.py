"""The parts of one process, made and given to each other. Nothing runs yet: the process starts what its role needs.

The order is that of the layers: the edges, then the way out, then the way in, then the web.
"""

import os
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from notify_sse.auth import Verifier
from notify_sse.auth.refusals import Refusals
from notify_sse.auth.revocations import Revocations
from notify_sse.auth.revoked import Revoked
from notify_sse.auth.tickets import Tickets
from notify_sse.broker.live import LiveExchange
from notify_sse.config import Settings
from notify_sse.gateway.journal_writer import JournalWriter
from notify_sse.gateway.live import LiveMessages
from notify_sse.gateway.report import Reporter
from notify_sse.log.announce import Announcer
from notify_sse.log.append import Appender
from notify_sse.log.ingest import Ingest
from notify_sse.log.pause import Pause
from notify_sse.log.recall import Recalls
from notify_sse.log.retention import Retention
from notify_sse.server.edges import broker_of, tracing_of
from notify_sse.server.files import file_limit
from notify_sse.server.rollout import RolloutWatch, rollout_of
from notify_sse.server.sampling import Sampling
from notify_sse.server.way_out import WayOut
from notify_sse.store import (
    open_access_records,
    open_erasure,
    open_journal,
    open_read_state,
    open_rollout_records,
    open_store,
)
from notify_sse.telemetry.adoption import WAYS, RecipientsSeen
from notify_sse.telemetry.figures import figures_of
from notify_sse.telemetry.loop_lag import LoopLag
from notify_sse.telemetry.metrics import MULTIPROCESS_DIRECTORY, Metrics
from notify_sse.telemetry.outage import Outage
from notify_sse.web import PUBLISH_PATH, STREAM_PATH, WEBSOCKET_PATH, build, build_admin
from notify_sse.web.door import Doors, Paths
from notify_sse.web.limits.histories import Histories
from notify_sse.web.limits.limits import Limits as ClientLimits
from notify_sse.web.service import Service

HISTORY_CONNECTIONS: Final = 2
"""Beside those of the replays, so that a page of the history need not wait for them."""


class Parts:
    """All parts of a process. `spawn` runs a coroutine in the background, and sees to it if that crashes."""

    def __init__(self, settings: Settings, *, spawn: Callable[[Coroutine[Any, Any, None]], object]) -> None:
        self._role = settings.role
        self.metrics = metrics = Metrics()
        self.tracing = tracing_of(settings)
        self.store_outage = Outage("the store")
        self.store = open_store(settings.database_url, replay_connections=settings.max_replays + HISTORY_CONNECTIONS)
        self.records = open_access_records(settings.database_url)
        self.broker = broker_of(settings)
        self.reads = open_read_state(settings.database_url)
        self.read_state = self.reads if settings.read_state else None
        revoked = Revoked()
        self.way_out = out = WayOut(
            settings,
            self.store,
            self.read_state,
            metrics,
            store_outage=self.store_outage,
            revoked=revoked,
            tracing=self.tracing,
        )
        self._tell_others = tell_others = (
            None if settings.embedded_broker else LiveExchange(self.broker, metrics, spawn=spawn).tell
        )
        self._make_revocations(settings, revoked, tell_others=tell_others)
        self.announcer = Announcer(
            take_here=None if settings.role == "ingest" else out.relay.take, tell_others=tell_others
        )
        self._make_way_in(settings)
        self.retention = Retention(self.store, metrics, retention_s=settings.retention_s)
        self.limits = ClientLimits(settings, metrics, files=file_limit())
        self.loop_lag = LoopLag()
        self._keep_journal(settings)
        refusals = Refusals(lambda reason: metrics.tokens_refused.labels(reason).inc())
        self.tickets = Tickets(self.records)
        self.verifier = Verifier(
            settings,
            revoked=revoked,
            tickets=self.tickets,
            on_refused=refusals.note,
            on_unauthorized=self.limits.rates.refuse_token,
        )
        self.recipients_seen = RecipientsSeen(os.environ.get(MULTIPROCESS_DIRECTORY))
        self.rollout_records = open_rollout_records(settings.database_url)
        self.rollout_watch = RolloutWatch(
            self.rollout_records, out.rollout, out.registry, self.recipients_seen, settings=rollout_of(settings)
        )
        self._make_web(settings)
        self._expose_the_way_out()
        self._expose_the_way_in()

    def _make_way_in(self, settings: Settings) -> None:
        """From the queue, and from the web, to the log."""
        self.appender = Appender(
            self.store,
            self.metrics,
            outage=self.store_outage,
            on_committed=self.announcer.announce,
            spans=self.tracing.appending if self.tracing else None,
        )
        self.erasure = open_erasure(settings.database_url)
        self.recalls = Recalls(self.erasure, announce=self.announcer.announce)
        self.ingest = Ingest(
            self.broker,
            self.appender,
            self.recalls,
            self.metrics,
            batch=settings.ingest_batch,
            max_bytes=settings.max_notification_bytes,
            strict_numbers=settings.strict_numbers,
            spans=self.tracing.ingesting if self.tracing else None,
        )
        self.pause = Pause(self.broker, self.store_outage, stored=lambda: self.appender.stored)

    def _make_revocations(
        self, settings: Settings, revoked: Revoked, *, tell_others: Callable[[bytes], None] | None
    ) -> None:
        """Who is out, and what other processes tell of it and of the log."""
        out = self.way_out
        self.revocations = Revocations(
            self.records,
            revoked,
            end_here=out.registry.end_revoked,
            tell_others=tell_others,
            count=self.metrics.revoked.inc,
            longest_s=settings.token_max_ttl_s,
        )
        self.live_messages = LiveMessages(
            self.metrics,
            take=out.relay.take,
            revoke=self.revocations.hear,
            end=out.registry.end_one,
            ask=self.revocations.ask,
            repair=out.relay.repair,
        )

    def _make_web(self, settings: Settings) -> None:
        """What answers requests: the apps, and the doors before the main one."""
        out = self.way_out
        self.service = Service(
            settings,
            metrics=self.metrics,
            store=self.store,
            tail=out.tail,
            relay=out.relay,
            registry=out.registry,
            admission=out.admission,
            appender=self.appender,
            verifier=self.verifier,
            store_outage=self.store_outage,
            broker=self.broker,
            journal=self.journal,
            revocations=self.revocations,
            tickets=self.tickets,
            limits=self.limits,
            rollout=out.rollout,
            recipients_seen=self.recipients_seen,
            histories=Histories(
                self.store, self.metrics, at_once=HISTORY_CONNECTIONS, largest_bytes=settings.max_notification_bytes
            ),
            records=self.records,
            announce=self.announcer.announce,
            tell_others=self._tell_others,
            gateway=self.journal_writer.gateway if self.journal_writer else "",
            read_state=self.read_state,
            reads=self.reads,
            recalls=self.recalls,
            erasure=self.erasure,
            spans=self.tracing.requests if self.tracing else None,
        )
        self.app = build(self.service)
        self.admin_app = build_admin(self.service)
        requests = self.service.requests
        self.limits.arrivals.on_cut_off = requests.note_cut_off
        self.doors = Doors(
            self.app,
            paths=Paths(
                stream=STREAM_PATH.encode(),
                websocket=WEBSOCKET_PATH.encode(),
                publish=PUBLISH_PATH.encode(),
                root=settings.root_path.encode(),
            ),
            request_timeout_s=settings.request_timeout_s,
            keep_alive_s=settings.keep_alive_s,
            arrivals=self.limits.arrivals,
            on_unread=requests.note_unread,
        )

    def _keep_journal(self, settings: Settings) -> None:
        self.journal = open_journal(settings.database_url)
        self.sampling = Sampling(
            self.broker,
            self.journal,
            self.metrics,
            retention_s=settings.retention_s,
            removes=settings.role != "gateway",
        )
        self.journal_writer: JournalWriter | None = None
        if not settings.journal:
            return
        out = self.way_out
        self.journal_writer = writer = JournalWriter(
            self.journal,
            out.tail,
            self.metrics,
            connections=out.registry,
            announces=lambda: self.broker.connected,
            lag_events=lambda: out.relay.lag_events,
            reporter=Reporter(partial(figures_of, self.metrics), out.registry.holders),
            salt=settings.database_url,
        )
        out.registry.journal = writer
        out.pump.on_moved = writer.moved
        self.appender.on_accepted = writer.accepted

    def _retention_lag_s(self) -> float:
        """0 in a process that removes nothing."""
        return 0.0 if self._role == "gateway" else self.retention.lag_s

    def _expose_the_way_out(self) -> None:
        gauge, out, tail = self.metrics.gauge, self.way_out, self.way_out.tail
        gauge("streams", "Streams open now.", lambda: len(out.registry))
        self.metrics.worker_streams(lambda: len(out.registry))
        self.metrics.loop_lag(self.loop_lag.take)
        gauge(
            "slow_readers",
            "Streams that wait for their client to take what was written.",
            lambda: out.pump.slow_readers,
        )
        gauge(
            "buffered_bytes",
            "Bytes that were written to slow readers and not taken by them.",
            lambda: out.pump.buffered_bytes,
        )
        gauge(
            "replays_waiting",
            "Cold streams that wait for their turn to read the log.",
            lambda: out.pump.replays.waiting,
        )
        gauge(
            "tail_lag_events",
            "Events that the log has and the tail has not, as far as is known.",
            lambda: out.relay.lag_events,
            across="livemax",
        )
        gauge("tail_position", "Id of the newest event in the tail.", lambda: tail.position, across="livemin")
        gauge("tail_events", "Events in the tail.", lambda: len(tail))
        gauge("tail_bytes", "Estimated size of the tail.", lambda: tail.size_bytes)

    def _expose_the_way_in(self) -> None:
        gauge = self.metrics.gauge
        gauge(
            "store_connected",
            "1 when the store answered when it was last asked.",
            lambda: self.service.store_connected,
            across="livemin",
        )
        gauge(
            "oldest_event_seconds",
            "Age of the oldest event in the log.",
            lambda: self.sampling.oldest_event_s,
            across="livemax",
        )
        gauge(
            "oldest_waiting_seconds",
            "How long the oldest message has waited that was taken from the ingest queue and is not acked.",
            lambda: self.ingest.oldest_waiting_s,
            across="livemax",
        )
        gauge("broker_connected", "1 when the broker is connected.", lambda: self.broker.connected, across="livemin")
        gauge(
            "ingest_paused",
            "1 while deliveries are left in the queue, because the store is away.",
            lambda: self.pause.paused,
        )
        gauge(
            "ingest_bytes",
            "Bytes of messages taken from the ingest queue and not acked yet.",
            lambda: self.broker.held_bytes,
        )
        gauge(
            "retention_lag_seconds",
            "Seconds for which removing what is too old is overdue.",
            self._retention_lag_s,
            across="livemax",
        )
        self.metrics.gauges(
            "recipients_seen",
            "Different recipients of the last day, by way (stream, poll); of all workers together, to within 2 %.",
            "way",
            {way: partial(self.recipients_seen.count, way) for way in WAYS},
            across="livemax",
        )
        gauge("ready", "1 when the process is ready.", lambda: self.service.unready() is None, across="livemin")
