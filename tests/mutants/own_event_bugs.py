"""Seeded bugs in what the service itself writes to the log: read marks, recalls, and how much is unread."""

from typing import Final

from tests.mutants.planting import Change, Mutant


def _bug(name: str, defence: str, *changes: tuple[str, str, str], simulated: bool = True) -> Mutant:
    return Mutant(name, 0, defence, tuple(Change(*change) for change in changes), simulated)


RECALLS: Final = (
    _bug(
        "recalled content stays in the tail",
        "a tail that takes a recall in drops the content",
        ("notify_sse.core.tail:Tail.extend", "self._erase(frame)", "pass"),
    ),
    _bug(
        "recall erases one too few",
        "what is recalled is itself erased",
        ("notify_sse.core.tail:Tail._erase", "if frame.id < lowest", "if frame.id <= lowest"),
    ),
    _bug(
        "recall erases its neighbours",
        "a recall erases one notification, an erasure all before it",
        ("notify_sse.core.tail:Tail._erase", "lowest = 0 if told.type == ERASED else told.erases", "lowest = 0"),
    ),
    _bug(
        "frames do not say what they erase",
        "a tail learns from the frame what is erased, also when it reads it from the log",
        (
            "notify_sse.core.frames:_own_frame",
            "silent=True,\n        erases=event.erases,",
            "silent=True,\n        erases=0,",
        ),
    ),
    _bug(
        "recall before what it recalls",
        "what came before a recall is in the log first",
        (
            "notify_sse.log.ingest:Ingest._append",
            "bad += await self._append_all(appending)\n        appending = []",
            "pass",
        ),
    ),
    _bug(
        "recall given up",
        "a recall waits for the store",
        ("notify_sse.log.recall:Recalls.recall_when_possible", "await asyncio.sleep(backoff.next_s())", "return None"),
    ),
    _bug(
        "recall without effect in the log",
        "the body is gone from the log",
        ("tests.simulation.own_events:OwnEvents.recall", "self._rows[row.id - 1] = ", "_ = "),
    ),
    _bug(
        "recall of nothing passes silently",
        "a recall of what is not in the log is a dead letter",
        ("notify_sse.log.ingest:Ingest._append", "bad.append((delivery, NOT_FOUND))", "pass"),
        simulated=False,
    ),
    _bug(
        "own events pass for expired",
        "marks and recalls are sent, although versions before pass over them",
        (
            "notify_sse.core.frames:_own_frame",
            "        0,\n        block,",
            "        event.expires_ms,\n        block,",
        ),
    ),
)

MARKS: Final = (
    _bug(
        "marks not followed",
        "a mark says how much is unread from there on",
        (
            "notify_sse.gateway.unread:UnreadCounts._count",
            "known.count = msgspec.json.decode(frame.body, type=_Told).unread",
            "pass",
        ),
        simulated=False,
    ),
    _bug(
        "recall leaves the count",
        "whether what is gone was unread has to be counted anew",
        (
            "notify_sse.gateway.unread:UnreadCounts._count",
            "self._known.pop(frame.channel, None)\n        return False",
            "return True",
        ),
        simulated=False,
    ),
    _bug(
        "counted twice",
        "what a count has in it already is not added",
        (
            "notify_sse.gateway.unread:UnreadCounts.follow",
            "if known is not None and frame.id > known.at:",
            "if known is not None:",
        ),
        (
            "notify_sse.gateway.unread:UnreadCounts._learn",
            "frames, upto = tail.after(known.at, (channel,),",
            "frames, upto = tail.after(tail.start, (channel,),",
        ),
    ),
    _bug(
        "count not brought up to the tail",
        "what came during the query is added",
        (
            "notify_sse.gateway.unread:UnreadCounts._learn",
            "if known.at < tail.position:",
            "if False:",
        ),
    ),
    _bug(
        "count of another log",
        "after a break everything that is known is forgotten",
        ("notify_sse.gateway.unread:UnreadCounts._keep_up", "self._known.clear()", "pass"),
    ),
    _bug(
        "count of a place that the tail left behind",
        "a count that cannot be brought up is not kept",
        (
            "notify_sse.gateway.unread:UnreadCounts._learn",
            "if unread.at.epoch != tail.epoch or unread.at.position < tail.start:",
            "if False:",
        ),
        simulated=False,
    ),
    _bug(
        "silent ones counted",
        "what is silent does not count as unread",
        ("notify_sse.gateway.unread:UnreadCounts._count", "elif not frame.silent:", "else:"),
        simulated=False,
    ),
    _bug(
        "nobody goes on after the count",
        "a stream that was greeted when it was counted is driven like any other",
        ("notify_sse.gateway.pump:Pump._counted", "connection.busy = False", "pass"),
    ),
    _bug(
        "greeted while it is counted",
        "what comes during the count waits for the greeting",
        ("notify_sse.gateway.pump:Pump._greet", "connection.busy = True", "pass"),
    ),
    _bug(
        "number from before the stream begins",
        "what lies between such a number and the stream's place is never sent",
        (
            "notify_sse.gateway.greeting:Greetings.of",
            "if one and one.at.position >= connection.stream.position",
            "if one",
        ),
        simulated=False,
    ),
)

BUGS: Final = RECALLS + MARKS
