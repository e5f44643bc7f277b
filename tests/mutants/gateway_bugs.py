"""Seeded bugs on the way out: tail, stream, hub, relay, pump, and where a client goes on."""

from typing import Final

from tests.mutants.planting import Change, Mutant


def _bug(name: str, row: int, defence: str, *changes: tuple[str, str, str], simulated: bool = True) -> Mutant:
    planted = tuple(Change(f"notify_sse.{where}", old, new) for where, old, new in changes)
    return Mutant(name, row, defence, planted, simulated=simulated)


TAIL: Final = (
    _bug(
        "skip holes",
        2,
        "an announcement beyond the tail is a hole",
        ("core.tail:Tail.extend", "return Hole(self.position, first)", "self.position = first - 1"),
    ),
    _bug(
        "no duplicate check at the gateway",
        4,
        "what lies at or below the position is dropped",
        (
            "core.tail:Tail.extend",
            "new = frames if first > self.position else [one for one in frames if one.id > self.position]",
            "new = frames",
        ),
        ("gateway.relay:Relay.take", "known = max(0, self._tail.position + 1 - announcement.first)", "known = 0"),
    ),
    _bug(
        "channels not merged in order",
        0,
        "events of several channels are sorted by id",
        ("core.tail:Tail.after", "found.sort(key=_by_id)", "pass"),
    ),
    _bug(
        "cut beyond the limit",
        0,
        "a cut stretch ends at its last frame",
        ("core.tail:Tail._cut", "found[count - 1].id", "frame.id"),
    ),
    _bug(
        "cut stretch counts as complete",
        0,
        "a cut stretch does not reach the tail's position",
        ("core.tail:Tail._cut", "return found[:count], found[count - 1].id", "return found[:count], self.position"),
    ),
    _bug(
        "one too few for the cut",
        0,
        "one frame beyond the limit shows that there is more",
        ("core.tail:Tail.after", "place + max_events + 1", "place + max_events"),
    ),
    _bug(
        "last one alone for whoever is behind",
        0,
        "the short way is for those who have seen all that lay before",
        ("core.tail:Tail.after", "position == self._alone_after", "position >= 0"),
    ),
    _bug(
        "last one alone for everybody",
        0,
        "the short way looks at the channel, too",
        ("core.tail:Tail.after", "[alone] if alone.channel in channels else []", "[alone]"),
    ),
    _bug(
        "last one alone after it is gone",
        12,
        "a tail that begins anew has no last one",
        ("core.tail:Tail.skip", "self._alone = None", "pass"),
        simulated=False,  # no stream asks behind a break
    ),
    _bug(
        "last of several taken for the only one",
        0,
        "the short way is for one frame",
        ("core.tail:Tail.extend", "new[0] if len(new) == 1 else None", "new[-1] if new else None"),
    ),
    _bug(
        "evict the newest",
        0,
        "the tail loses its oldest event",
        ("core.tail:Tail._evict_oldest", "self._order.popleft()", "self._order.pop()"),
    ),
    _bug(
        "evicted event still counts as held",
        0,
        "the start moves to the evicted id",
        ("core.tail:Tail._evict_oldest", "self.start = oldest.id", "self.start = oldest.id - 1"),
    ),
    _bug(
        "break not counted",
        12,
        "another log is another generation",
        ("core.tail:Tail.restart", "self.generation += 1", "pass"),
    ),
)

STREAM: Final = (
    _bug(
        "floor ignored",
        14,
        "a cursor below the floor is reset",
        ("core.stream:Stream.read", "if self.position < floor:", "if False:"),
    ),
    _bug(
        "page of another log taken",
        12,
        "a page of another epoch is dropped",
        ("core.stream:Stream.read", "if epoch != self.epoch:", "if False:"),
    ),
    _bug(
        "another epoch not told",
        12,
        "a stream is reset when the log is another one",
        ("core.stream:Stream._after_break", "if self.epoch != tail.epoch:", "if False:"),
    ),
    _bug(
        "log that went back not told",
        12,
        "a stream ahead of the log is reset",
        ("core.stream:Stream._after_break", "if self.position > tail.position:", "if False:"),
        simulated=False,  # such a log has got a new epoch there
    ),
    _bug(
        "cursor past the page",
        0,
        "a cursor never passes what was not read",
        ("core.stream:Stream.read", "self.position = max(self.position, upto)", "self.position = upto + 1"),
    ),
    _bug(
        "asleep one short",
        5,
        "a stream sleeps only at the position",
        ("core.stream:Stream.sleeps", "if self.position >= tail.position:", "if self.position >= tail.position - 1:"),
    ),
    _bug(
        "cold stream reads the tail",
        5,
        "below the tail's start the log is read",
        ("core.stream:Stream.pull", "if self.position < tail.start:", "if False:"),
    ),
    _bug(
        "cursor ahead of what was read",
        0,
        "only a sleeper has seen all that the tail has",
        ("core.stream:Stream.seen", "if self.asleep and self.generation == tail.generation:", "if True:"),
    ),
    _bug(
        "expired reset dropped",
        14,
        "what retention took is told",
        (
            "core.stream:Stream.read",
            'return self._move_to(Cursor(epoch, floor), "expired")',
            "self.position = floor; return []",
        ),
    ),
)

HUB: Final = (
    _bug(
        "leave removes the others",
        7,
        "a leave takes only its own stream",
        ("core.hub:Hub.leave", "known.pop(stream, None)", "known.clear()"),
    ),
    _bug(
        "only the first frame wakes",
        0,
        "every frame of a batch wakes its readers",
        ("core.hub:Hub.wake", "for frame in frames:", "for frame in list(frames)[:1]:"),
    ),
    _bug(
        "join one channel only",
        0,
        "a stream joins each of its channels",
        ("core.hub:Hub.join", "for channel in stream.channels:", "for channel in stream.channels[1:2]:"),
    ),
)

RELAY: Final = (
    _bug(
        "no compare with the head",
        2,
        "the tail is compared with the log once a second",
        ("gateway.relay:Relay._asked", "asyncio.timeout_at(until)", "asyncio.timeout_at(None)"),
    ),
    _bug(
        "announcement of another epoch taken",
        12,
        "an announcement of another epoch asks for a comparison",
        ("gateway.relay:Relay.take", "if announcement.epoch != self._tail.epoch:", "if False:"),
    ),
    _bug(
        "head of another epoch overlooked",
        12,
        "another epoch breaks the tail off",
        (
            "gateway.relay:Relay._compare",
            "head.epoch != tail.epoch or head.position < reached",
            "head.position < reached",
        ),
    ),
    _bug(
        "head that went back overlooked",
        12,
        "a head below the tail breaks it off",
        (
            "gateway.relay:Relay._compare",
            "head.epoch != tail.epoch or head.position < reached",
            "head.epoch != tail.epoch",
        ),
    ),
    _bug(
        "head compared with the tail of afterwards",
        0,
        "never await between reading and judging shared state",
        (
            "gateway.relay:Relay._compare",
            "head.epoch != tail.epoch or head.position < reached",
            "head.epoch != tail.epoch or head.position < tail.position",
        ),
    ),
    _bug(
        "sleepers not told of a break",
        12,
        "a break wakes every stream",
        ("gateway.relay:Relay._restart", "self._drive(self._hub.wake_all())", "pass"),
    ),
    _bug(
        "sleepers not told that retention overtook",
        14,
        "a skip wakes every stream",
        ("gateway.relay:Relay._skip_to", "self._drive(self._hub.wake_all())", "pass"),
    ),
    _bug(
        "retention that overtook the tail overlooked",
        14,
        "a stretch that begins beyond the tail moves it",
        ("gateway.relay:Relay._take_stretch", "if page.head.floor > self._tail.position:", "if False:"),
    ),
    _bug(
        "positions counted in events",
        37,
        "a position is an id: erased events leave gaps",
        (
            "core.tail:Tail.extend",
            "self.position = max(self.position, upto, new[-1].id if new else 0)",
            "self.position += len(new)",
        ),
    ),
    _bug(
        "caught up too early",
        24,
        "a cursor ahead of this process waits for a comparison",
        ("gateway.relay:Relay.catch_up", "await asyncio.shield(self._repaired)", "pass"),
    ),
    _bug(
        "stretch wakes nobody",
        0,
        "whatever extends the tail wakes the readers",
        ("gateway.relay:Relay._extend", "self._drive(self._hub.wake(new, before=before))", "self._drive([])"),
    ),
)

PUMP: Final = (
    _bug(
        "what a slow client did not take counts as sent",
        17,
        "what was pulled and not written is pulled again",
        ("gateway.pump:Pump._write_frames", "connection.stream.rewind(piece[-1].id)", "pass"),
    ),
    _bug(
        "join after reading",
        6,
        "a stream joins the hub before its first pull",
        ("gateway.registry:Registry.open", "self._hub.join(connection.stream, connection)\n", "pass\n"),
        (
            "gateway.registry:Registry.open",
            "self._pump.start(connection)",
            (
                "self._pump.start(connection); "
                "asyncio.get_running_loop().call_soon(self._hub.join, connection.stream, connection)"
            ),
        ),
    ),
    _bug(
        "wake lost between check and sleep",
        5,
        "checking and falling asleep are one step",
        (
            "gateway.pump:Pump._serve",
            "return  # the hub wakes it",
            (
                "stream.asleep = False\n"
                "                asyncio.get_running_loop().call_soon(setattr, stream, 'asleep', True)\n"
                "                return"
            ),
        ),
    ),
    _bug(
        "two writers on one stream",
        5,
        "a connection is written to by one at a time",
        (
            "gateway.pump:Pump._serve",
            "while not (connection.gone or connection.busy):",
            "while not connection.gone:",
        ),
    ),
    _bug(
        "heartbeat carries the tail's position",
        0,
        "a heartbeat carries the stream's own cursor",
        (
            "gateway.pump:Pump._write_due_control",
            "cursor = connection.stream.seen(self._tail)",
            "cursor = self._tail.cursor",
        ),
    ),
    _bug(
        "greeting replaces the cursor before the reset",
        14,
        "a greeting that a reset follows carries no id",
        ("gateway.greeting:greeting", 'cursor if reset is None or reset.reason == "expired" else None', "cursor"),
    ),
    _bug(
        "cursor told before the page is written",
        0,
        "a cursor moves in the step that writes what it passes",
        (
            "gateway.pump:Pump._replay",
            "taken = replay.take(connection.stream, reading.result())",
            (
                "taken = replay.take(connection.stream, reading.result())\n"
                "    await asyncio.sleep(2 * self.deadlines.resolution_s)\n"
                "    if connection.due and (step := self._write_due_control(connection)):\n"
                "        await step"
            ),
        ),
    ),
    _bug(
        "page's epoch not passed on",
        12,
        "a page says of which log it is",
        ("gateway.replay:take", "epoch=head.epoch,", "epoch=stream.epoch,"),
    ),
    _bug(
        "cold page counts as complete",
        0,
        "a page is complete up to `upto` only",
        ("gateway.replay:take", "upto=page.upto", "upto=head.position"),
    ),
)

RESUME: Final = (
    _bug(
        "epoch of a cursor ignored",
        24,
        "a cursor of another log is reset",
        ("core.stream:resume", "cursor is None or cursor.epoch != tail.epoch", "cursor is None"),
    ),
    _bug(
        "cursor ahead of the log taken",
        24,
        "a cursor ahead of the log is reset",
        ("core.stream:resume", "if cursor.position > tail.position:", "if False:"),
    ),
    _bug(
        "reset without catching up",
        24,
        "a cursor ahead of this process may only mean that it is behind",
        ("gateway.admission:Admission.place", "await self._relay.catch_up()", "pass"),
    ),
    _bug(
        "frame tells the id before its own",
        0,
        "a frame carries its event's id",
        ("core.frames:frame", "(epoch.encode(), event.id, body)", "(epoch.encode(), event.id - 1, body)"),
    ),
    _bug(
        "channel without its kind",
        23,
        "a channel is built from kind and id",
        ("core.channels:recipient_channel", "return RECIPIENT + recipient_id", "return recipient_id"),
    ),
)

BUGS: Final = TAIL + STREAM + HUB + RELAY + PUMP + RESUME
