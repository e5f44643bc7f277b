"""What a run consists of, drawn from its seed: how many of everything, how bad the weather, which faults when."""

from random import Random
from typing import Final, Literal

import msgspec

from notify_sse.core.channels import EVERYONE, recipient_channel, topic_channel
from tests.simulation.broker import Weather
from tests.simulation.client import Habits
from tests.simulation.gateway import Sizes
from tests.simulation.publisher import Task, Way

FaultKind = Literal[
    "crash",
    "freeze",
    "drain",
    "broker away",
    "link cut",
    "store away",
    "retention",
    "new epoch",
    "log went back",
    "herd",
    "by hand",
]
KINDS: Final[tuple[tuple[FaultKind, float], ...]] = (
    ("crash", 4),
    ("freeze", 2),
    ("drain", 1.5),
    ("broker away", 1),
    ("link cut", 3),
    ("store away", 2),
    ("retention", 2),
    ("new epoch", 1),
    ("log went back", 1),
    ("herd", 1.5),
    ("by hand", 1.5),
)
RECIPIENTS: Final = ("alice", "al", "all", "a.b", "#", "topic:all", "recipient:alice", "é\x00\r\n", "x" * 160)
TOPICS: Final = ("news", "alice")


class Fault(msgspec.Struct, frozen=True):
    """One thing that goes wrong at `at_s`, for `for_s`; `strength` (0 to 1) means what its kind makes of it."""

    kind: FaultKind
    at_s: float
    for_s: float
    victim: int
    strength: float


class Limits(msgspec.Struct, frozen=True):
    """The core's constants, scaled down so that a short run reaches each."""

    pull_events: int
    pull_bytes: int
    page_events: int
    piece_bytes: int
    few: int
    stretch_events: int
    batch_events: int
    patience_s: float


class Scenario(msgspec.Struct, frozen=True):
    """Everything that a seed decides before the run begins."""

    gateways: int
    sizes: Sizes
    limits: Limits
    weather: Weather
    prefetch: int
    flaky: float
    readers: tuple[tuple[str, tuple[str, ...]], ...]
    habits: tuple[Habits, ...]
    tasks: tuple[Task, ...]
    faults: tuple[Fault, ...]
    active_s: float
    busy: float
    slot_s: float
    counts: bool
    """Whether streams are told how much is unread."""


def draw(rng: Random) -> Scenario:
    """A scenario. Most are small; each kind of trouble is absent from many, so that it cannot hide another's."""
    recipients = [rng.choice(RECIPIENTS) for _ in range(rng.choice((1, 1, 2, 3)))]
    active_s = rng.choice((1.0, 2.0, 4.0))
    readers = tuple(_reader(rng, recipients) for _ in range(rng.choice((1, 2, 2, 3, 5))))
    return Scenario(
        gateways=rng.choice((1, 2, 2, 3)),
        sizes=_sizes(rng),
        limits=_limits(rng),
        weather=_weather(rng),
        prefetch=rng.choice((1, 3, 20)),
        flaky=rng.choice((0, 0, 0.02, 0.1)),
        readers=readers,
        habits=tuple(_habits(rng) for _ in readers),
        tasks=tuple(_task(rng, number, recipients, active_s) for number in range(rng.choice((1, 1, 2, 3)))),
        faults=_faults(rng, active_s),
        active_s=active_s,
        busy=rng.choice((0.03, 0.3)),
        slot_s=rng.choice((0.0, 0.001, 0.005)),
        counts=rng.random() < 0.3,
    )


def _reader(rng: Random, recipients: list[str]) -> tuple[str, tuple[str, ...]]:
    return rng.choice(recipients), tuple(topic for topic in TOPICS if rng.random() < 0.3)


def _sizes(rng: Random) -> Sizes:
    return Sizes(
        tail_events=rng.choice((1, 3, 10, 1000)),
        tail_bytes=rng.choice((1500, 1_000_000, 1_000_000)),
        ingest_batch=rng.choice((1, 3, 50)),
        heartbeat_s=rng.choice((0.4, 1.0, 4.0)),
        stall_s=rng.choice((0.5, 10.0, 10.0)),
        max_replays=rng.choice((1, 4)),
    )


def _limits(rng: Random) -> Limits:
    return Limits(
        pull_events=rng.choice((1, 2, 5, 500)),
        pull_bytes=rng.choice((200, 262_144, 262_144)),
        page_events=rng.choice((1, 3, 500)),
        piece_bytes=rng.choice((1, 400, 16_384)),
        few=rng.choice((0, 1, 4)),
        stretch_events=rng.choice((1, 3, 2000)),
        batch_events=rng.choice((1, 4, 1000)),
        patience_s=rng.choice((0.2, 1.0, 10.0)),
    )


def _weather(rng: Random) -> Weather:
    return Weather(
        lose=rng.choice((0, 0, 0.1, 0.4, 1)),
        repeat=rng.choice((0, 0, 0.2)),
        late=rng.choice((0, 0, 0.2, 0.5)),
        late_s=rng.choice((0.05, 3.0)),
        lose_confirm=rng.choice((0, 0, 0.1)),
    )


def _habits(rng: Random) -> Habits:
    return Habits(
        drop=rng.choice((0, 0.05, 0.2)),
        stall=rng.choice((0, 0, 0.05)),
        forge=rng.choice((0, 0, 0, 0.1)),
        back_after_s=rng.choice((0.01, 0.3, 2.0)),
        reads_after_s=rng.choice((0.001, 0.001, 0.05)),
        token_s=rng.choice((4.0, 1e6, 1e6)),
        room_chunks=rng.choice((0, 1, 3)),
        mark=rng.choice((0, 0, 0, 0.3)),
    )


def _task(rng: Random, number: int, recipients: list[str], active_s: float) -> Task:
    way: Way = rng.choice(("amqp", "http", "either"))
    channels = [recipient_channel(recipient) for recipient in recipients]
    channels += [EVERYONE] * (rng.random() < 0.5) + [topic_channel(rng.choice(TOPICS))] * (rng.random() < 0.5)
    count = rng.choice((3, 8, 8, 20))
    return Task(
        name=f"p{number}",
        way=way,
        count=count,
        every_s=active_s / count * rng.choice((0.05, 1.0)),
        channels=tuple(channels),
        spoil=rng.choice((0, 0, 0.1)),
        mortal=rng.choice((0, 0, 0, 0.2)),
        nameless=rng.choice((0, 0, 0.5)),
        recall=rng.choice((0, 0, 0, 0.2)),
    )


def _faults(rng: Random, active_s: float) -> tuple[Fault, ...]:
    kinds, weights = zip(*KINDS, strict=True)
    return tuple(
        Fault(
            kind=rng.choices(kinds, weights)[0],
            at_s=rng.random() * active_s,
            for_s=rng.choice((0.05, 0.5, 2.0)) * rng.random(),
            victim=int(rng.random() * 12),
            strength=rng.random(),
        )
        for _ in range(rng.choice((0, 1, 2, 4, 7)))
    )
