"""The dead letters on RabbitMQ: looked at, each once, or taken out.

Those looked at are consumed and never acked, so that closing the channel puts them back: also when this process is
killed. One `basic.get` for each takes ten times as long. A quorum queue gives a consumer without a prefetch no more
than 2000, so there is one consumer after another, each with a window of its own.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from typing import Final

from aiormq import Channel, ChannelInvalidStateError, spec
from aiormq.abc import AbstractChannel, DeliveredMessage

from notify_sse.broker.rabbitmq.dead_letters import dead_letter_of
from notify_sse.core.ports import Chosen, DeadLetter, Visit

FIRST_WINDOW: Final = 64
MAX_WINDOW: Final = 1000
WINDOW_BYTES: Final = 67_108_864
"""The broker sends about so much ahead, by the largest body until then. Here one body is held at a time."""
QUIET_S: Final = 0.25
QUIET_ROUNDS: Final = 4
"""So often nothing came and nothing is ready: another process holds the rest, or has taken it."""
RETURN_TIMEOUT_S: Final = 10.0
RETURN_POLL_S: Final = 0.01


async def look(channel: AbstractChannel, queue: str, visit: Visit, *, count: int, timeout_s: float) -> None:
    """Show `visit` the first `count` of the dead letters that are ready in `queue`, until it has seen enough; raises
    what it raises. They are back some time after `channel`, which is for this only, is closed.

    Raises `TimeoutError` when some are ready and none comes for `timeout_s`.
    """
    look = _Look(visit, goal=count)
    task = asyncio.current_task()
    assert task is not None
    cancelled = task.cancelling()
    while not look.over:
        if task.cancelling() > cancelled:
            # aiormq waits with wait_for, which on Python 3.11 forgets a cancellation that comes with an answer.
            raise asyncio.CancelledError
        window = look.open_window()
        await channel.basic_qos(prefetch_count=window, timeout=timeout_s)
        await channel.basic_consume(queue, look.show, consumer_tag=look.tag, timeout=timeout_s)
        if not await _filled(look, channel, queue, timeout_s):
            break


async def _filled(look: "_Look", channel: AbstractChannel, queue: str, timeout_s: float) -> bool:
    """Whether all of the window came. Not: nothing is ready any more."""
    quiet, seen, came_at = 0, look.seen, time.monotonic()
    while not await look.window_seen(within_s=QUIET_S):
        if channel.is_closed:  # what is asked on it would wait for its time-out
            await channel.closing  # raises why
            raise ChannelInvalidStateError("the channel was closed")
        left = await ready(channel, queue, timeout_s)
        if look.seen > seen:
            quiet, seen, came_at = 0, look.seen, time.monotonic()
            continue
        quiet = 0 if left else quiet + 1
        if quiet == QUIET_ROUNDS:
            return False
        if time.monotonic() > came_at + timeout_s:
            raise TimeoutError(f"{left} messages are ready in {queue}, and none comes")
    return True


class _Look:
    """How far one look is. `over` once `goal` were seen, or `visit` has seen enough."""

    def __init__(self, visit: Visit, *, goal: int) -> None:
        self.seen = 0
        self._visit = visit
        self._goal = goal
        self._upto = 0
        self._largest_bytes = 0
        self._enough = False
        self._failure: Exception | None = None
        self._window_seen = asyncio.Event()

    @property
    def over(self) -> bool:
        return self._enough or self.seen >= self._goal

    @property
    def tag(self) -> str:
        """For the next consumer. It sorts: RabbitMQ puts back what each held by the order of their tags."""
        return f"look.{self.seen:012}"

    def open_window(self) -> int:
        """How many the next consumer is to take."""
        fit = WINDOW_BYTES // max(1, self._largest_bytes)
        most = max(FIRST_WINDOW, min(MAX_WINDOW, fit)) if self.seen else FIRST_WINDOW
        self._upto = min(self._goal, self.seen + most)
        self._window_seen.clear()
        return self._upto - self.seen

    async def window_seen(self, *, within_s: float) -> bool:
        """Whether all of the window was shown, or enough. Raises what `visit` raised."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._window_seen.wait()
        if self._failure is not None:
            raise self._failure
        return self._window_seen.is_set()

    async def show(self, message: DeliveredMessage) -> None:
        """The consumer. The client library calls it, and would only log what it raises."""
        if self.over:
            return
        self.seen += 1
        self._largest_bytes = max(self._largest_bytes, len(message.body))
        try:
            self._enough = self._visit(dead_letter_of(message))
        except Exception as exc:  # noqa: BLE001 - it is raised where somebody waits for it
            self._failure, self._enough = exc, True
        if self._enough or self.seen >= self._upto:
            self._window_seen.set()


async def peek(channel: AbstractChannel, queue: str, *, limit: int, timeout_s: float) -> list[DeadLetter]:
    """The oldest dead letters. They are back some time after `channel`, which is for this only, is closed."""
    found: list[DeadLetter] = []
    count = min(limit, await ready(channel, queue, timeout_s))
    await look(channel, queue, kept_in(found), count=count, timeout_s=timeout_s)
    return found


def kept_in(found: list[DeadLetter]) -> Visit:
    """Adds each to `found`, and has never seen enough."""

    def visit(letter: DeadLetter) -> bool:
        found.append(letter)
        return False

    return visit


async def take(
    channel: Channel,
    queue: str,
    publish: Callable[[DeadLetter], Awaitable[None]] | None,
    *,
    limit: int | None,
    chosen: Chosen | None,
    timeout_s: float,
) -> tuple[int, int]:
    """Take the oldest dead letters that are `chosen` out of the queue, each once `publish` has returned. Returns how
    many, and how many were looked at and left: these are back in the queue some time after `channel` is closed.

    At most as many as the queue holds at the start are looked at: one that is refused again comes back while we read.
    """
    taken = left = 0
    for _ in range(await ready(channel, queue, timeout_s)):
        if limit is not None and taken >= limit:
            break
        message = await channel.basic_get(queue, timeout=timeout_s)
        delivery = message.delivery
        if not isinstance(delivery, spec.Basic.GetOk) or delivery.delivery_tag is None:
            break
        letter = dead_letter_of(message)
        if chosen is not None and not chosen(letter):
            left += 1
            continue
        if publish is not None:
            await publish(letter)
        await channel.basic_ack(delivery.delivery_tag)
        taken += 1
    return taken, left


async def wait_until_back(channel: AbstractChannel, queue: str, count: int, *, timeout_s: float) -> None:
    """Return once `count` messages are ready in `queue`.

    RabbitMQ puts messages back some time after their channel was closed. A replay or a purge right after a look must
    find them. Gives up without an error: another process may have taken them.
    """
    deadline = time.monotonic() + RETURN_TIMEOUT_S
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(RETURN_TIMEOUT_S):
            # The broker sends no event for it. A time-out alone could be forgotten, as a cancellation in `look`.
            while await ready(channel, queue, timeout_s) < count and time.monotonic() < deadline:  # noqa: ASYNC110
                await asyncio.sleep(RETURN_POLL_S)


async def ready(channel: AbstractChannel, queue: str, timeout_s: float) -> int:
    """How many messages nobody holds."""
    return (await channel.queue_declare(queue, passive=True, timeout=timeout_s)).message_count or 0
