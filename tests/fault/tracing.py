"""Asks the service what became of notifications, amid the faults of a campaign and after them, and has it judged.

`python -m tests.fault trace` is such a campaign; any other does it with `--traces`.
"""

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from random import Random
from typing import Any, Final
from urllib.parse import quote

import msgspec

from tests.fault.clients import Client
from tests.fault.fleet import Gateway
from tests.fault.http import fetch
from tests.fault.ledger import Ledger
from tests.fault.own_events import GONE
from tests.fault.scribe import Scribe, Stored
from tests.fault.trace_judge import Heard, Known, Question, Told, all_judged, known_of, position_in

WITHIN_S: Final = 2.0
"""In which an answer has to be there, once nothing is broken."""
PATIENCE_S: Final = 5.0
SETTLED_S: Final = 6.5
"""After the last fault, until a gateway that died in it counts as gone."""
AT_ONCE: Final = 3
EVERY_S: Final = 0.15
REFUSED: Final = 20
"""How many dead letters are asked for."""
HTTP_PUBLISHERS: Final = ("p4", "p5", "p6", "p7", "flood")
Records = tuple[dict[str, list[tuple[frozenset[str], Known]]], dict[str, frozenset[int]]]
WAYS: Final = {"orphan": frozenset(("nobody",)), "probe": frozenset(("amqp", "http"))}


class Tracer:
    """Puts the questions, and keeps the answers until the end, when it is known what clients have heard."""

    def __init__(
        self, clients: Sequence[Client], gateways: Sequence[Gateway], ledger: Ledger, *, token: str, rng: Random
    ) -> None:
        self._gateways = gateways
        self._ledger = ledger
        self._headers = {"Authorization": f"Bearer {token}"}
        self._rng = rng
        self._told: list[Told] = []
        self._unanswered = 0
        self._clients: dict[str, list[Client]] = defaultdict(list)
        for client in clients:
            self._clients[client.recipient].append(client)

    async def run(self, stop: asyncio.Event) -> None:
        """Ask about what was accepted a moment ago, whatever is broken, until `stop`."""
        while not stop.is_set():
            await asyncio.sleep(EVERY_S)
            if recent := self._ledger.recallable:
                one = self._rng.choice(recent)
                await self._ask(self._question(one.notification_id, one.channel), final=False)

    async def at_the_end(self, count: int, scribe: Scribe, *, refused: Sequence[str]) -> tuple[list[str], Counter[str]]:
        """Ask for `count` of what is in the log now, at random, and for some of the `refused`; judge all answers."""
        stored = await scribe.stored()
        wrong = await self._ask_all(self._questions(count, stored))
        for name in refused[:REFUSED]:
            wrong += await self._refused(name)
        await scribe.catch_up()  # retention may have been there before an answer
        records = self._records(stored.epoch)
        judged, counts = all_judged(
            (told, self._heard(told, stored, records)) for told in self._told if self._place(told) > scribe.floor
        )
        counts["dead letters asked for"] = len(refused[:REFUSED])
        self._count_times(counts)
        return wrong + judged, counts

    def _questions(self, count: int, stored: Stored) -> list[Question]:
        names = {place: name for name, place in self._ledger.history.places.items() if not name.startswith("!")}
        places = [place for place in stored.rows if place in names]
        chosen = self._rng.sample(places, k=min(count, len(places)))
        return [self._question(names[place], stored.rows[place].channel.decode()) for place in chosen]

    async def _ask_all(self, questions: Sequence[Question]) -> list[str]:
        waiting, wrong = iter(questions), list[str]()

        async def ask_on() -> None:
            for question in waiting:
                if complaint := await self._ask(question, final=True):
                    wrong.append(f"trace of {question.notification_id!r}: {complaint}")

        await asyncio.gather(*(ask_on() for _ in range(AT_ONCE)))
        return wrong

    def _count_times(self, counts: Counter[str]) -> None:
        counts["amid the faults, not answered"] = self._unanswered
        for name, final in (("amid the faults", False), ("at the end", True)):
            took = sorted(one.took_s for one in self._told if one.final == final)
            counts[f"{name}, within 2 s"] = sum(one < WITHIN_S for one in took)
            counts[f"{name}, p99 in ms"] = int(took[int(0.99 * len(took))] * 1000) if took else 0

    def _place(self, told: Told) -> int:
        return self._ledger.history.places.get(told.question.notification_id, 0)

    def _question(self, notification_id: str, channel: str) -> Question:
        kind, _, name = channel.partition(":")
        recipient = name if kind == "recipient" else self._rng.choice(list(self._clients))
        return Question(notification_id=notification_id, channel=channel, recipient_id=recipient)

    async def _ask(self, question: Question, *, final: bool) -> str:
        """Keep the answer. What is wrong, when there is none though nothing is broken."""
        began = time.monotonic()
        status, answer = await self._trace(question.notification_id, question.recipient_id)
        took_s = time.monotonic() - began
        if status in (200, 404) and (status == 200 or final):
            self._told.append(Told(question, answer, final, took_s))
            return f"it took {took_s:.1f} s" if final and took_s > PATIENCE_S else ""
        self._unanswered += not final  # 404: its message may still wait in the queue
        return f"answered {status}" if final else ""

    async def _trace(self, name: str, recipient: str) -> tuple[int, dict[str, Any]]:
        path = f"/admin/notifications/{quote(name, safe='')}?recipient_id={quote(recipient, safe='')}"
        port = self._rng.choice(self._gateways).service.port
        try:
            status, body = await fetch(port, path, headers=self._headers, within_s=PATIENCE_S)
            return status, msgspec.json.decode(body)
        except (OSError, EOFError, TimeoutError, ValueError):
            return 0, {}

    async def _refused(self, name: str) -> list[str]:
        """Of what became a dead letter, one at a time: whoever looks at them has them for that moment."""
        status, answer = await self._trace(name, "nobody")
        unknown = any("whether it is among the dead letters" in line for line in answer.get("unknown", ()))
        told = answer.get("state") == "refused" or unknown
        return [] if told else [f"trace of the dead letter {name!r}: {status}, {answer}"]

    def _records(self, epoch: str) -> Records:
        """By recipient: each connection that was told its id, with the channels it reads; and every cursor brought."""
        known: dict[str, list[tuple[frozenset[str], Known]]] = defaultdict(list)
        brought = {}
        for recipient, clients in self._clients.items():
            attempts = [(client, attempt) for client in clients for attempt in client.attempts]
            brought[recipient] = frozenset(position_in(attempt.brought, epoch=epoch) for _, attempt in attempts)
            known[recipient] = [
                (client.reader.channels, known_of(attempt, epoch=epoch))
                for client, attempt in attempts
                if attempt.connection_id
            ]
        return known, brought

    def _heard(self, told: Told, stored: Stored, records: Records) -> Heard:
        question, position = told.question, self._place(told)
        known, brought = records
        row, own = stored.rows.get(position), question.channel == f"recipient:{question.recipient_id}"
        marked = told.final and own and row is not None and row.kind != GONE and not row.expires
        publisher = question.notification_id.partition("/")[0]
        return Heard(
            cursor=f"{stored.epoch}.{position}",
            position=position,
            known=[one for channels, one in known[question.recipient_id] if question.channel in channels],
            brought=brought.get(question.recipient_id, frozenset()),
            ways=WAYS.get(publisher) or frozenset(("http" if publisher in HTTP_PUBLISHERS else "amqp",)),
            read=stored.is_read(position) if marked else None,
        )
