"""The checker sees what it has to see: a sound history passes, and each planted fault is flagged for what it is."""

from collections.abc import Set as AbstractSet

import pytest

from notify_sse.core.cursor import Cursor
from tests.support.checker import (
    KINDS,
    Beat,
    Connected,
    History,
    Kind,
    Outcome,
    Published,
    Reader,
    ResetTold,
    Seen,
    Sighting,
    check,
    counts,
)

ALICE = "recipient:alice"
NEWS = "topic:news"


def at(position: int, epoch: str = "e") -> Cursor:
    return Cursor(epoch, position)


def published(
    number: int,
    *,
    outcome: Outcome = "accepted",
    channel: str = ALICE,
    ordered: bool = True,
    may_expire: bool = False,
) -> Published:
    return Published(f"n{number}", channel, f"content {number}", "p", outcome, ordered=ordered, may_expire=may_expire)


def seen(number: int, *, cursor: Cursor | None = None, channel: str = ALICE, content: str = "") -> Seen:
    return Seen(cursor or at(number), f"n{number}", channel, content or f"content {number}")


def history(
    *sightings: Sighting,
    books: list[Published] | None = None,
    places: dict[str, int] | None = None,
    withdrawn: AbstractSet[str] = frozenset(),
) -> History:
    """Six publishes at places 1 to 6, and one reader of alice's channel that first connects at 0."""
    books = [published(number) for number in range(1, 7)] if books is None else books
    if places is None:
        places = {one.notification_id: int(one.notification_id[1:]) for one in books if one.outcome == "accepted"}
    reader = Reader("r", frozenset((ALICE, "topic:all")), [Connected("", at(0)), *sightings])
    return History(published=books, readers=[reader], places=places, withdrawn=set(withdrawn))


def kinds(judged: History) -> set[Kind]:
    return {violation.kind for violation in check(judged)}


ALL = [seen(number) for number in range(1, 7)]


def test_a_kept_promise_passes() -> None:
    """Everything once, in order, over a drop, a heartbeat and a resume."""
    assert check(history(*ALL[:3], Beat(at(3)), Connected("e.3", at(3)), *ALL[3:])) == []


def test_what_came_before_the_first_connect_is_not_owed() -> None:
    judged = history(*ALL[4:])
    judged.readers[0].sightings[0] = Connected("", at(4))
    assert check(judged) == []


def test_a_loss_is_flagged() -> None:
    """In the middle, at the end, and when nobody ever got it."""
    assert kinds(history(*ALL[:2], *ALL[3:])) == {"lost"}
    assert kinds(history(*ALL[:5])) == {"lost"}
    assert kinds(history(*ALL, books=[*map(published, range(1, 7)), published(7)])) == {"lost"}


def test_an_accepted_publish_that_the_log_never_had_is_flagged() -> None:
    judged = history(*ALL)
    judged.published.append(published(7))
    assert kinds(judged) == {"lost"}


def test_a_repetition_is_flagged_also_over_a_drop() -> None:
    assert kinds(history(*ALL, seen(6))) == {"repeated"}
    assert kinds(history(*ALL[:3], Connected("e.3", at(3)), *ALL[2:])) == {"repeated"}
    assert kinds(history(*ALL, seen(6, cursor=at(9)))) == {"repeated", "different"}


def test_a_swap_is_flagged() -> None:
    assert kinds(history(*ALL[:2], seen(4), seen(3), *ALL[4:])) == {"reordered"}


def test_a_cursor_that_goes_back_or_runs_ahead_is_flagged() -> None:
    """A heartbeat behind what was sent repeats it to whoever resumes there; one ahead loses what lies between."""
    assert kinds(history(*ALL[:3], Beat(at(2)), *ALL[3:])) == {"reordered"}
    assert kinds(history(*ALL[:3], Beat(at(4)), *ALL[3:])) == {"reordered"}
    assert kinds(history(*ALL[:3], Beat(at(4)), *ALL[4:])) == {"lost"}


def test_a_publishers_order_turned_round_in_the_log_is_flagged() -> None:
    judged = history(*ALL)
    judged.published.reverse()
    assert kinds(judged) == {"reordered"}
    judged.published = [published(number, ordered=False) for number in range(6, 0, -1)]
    assert check(judged) == []


def test_a_leak_is_flagged() -> None:
    books = [*map(published, range(1, 7)), published(7, channel="recipient:bob")]
    assert kinds(history(*ALL, seen(7, channel="recipient:bob"), books=books)) == {"foreign"}
    assert check(history(*ALL, books=books)) == []


def test_a_phantom_is_flagged() -> None:
    """What nobody published, and what was refused."""
    assert kinds(history(*ALL, seen(8))) == {"phantom"}
    books = [*map(published, range(1, 7)), published(7, outcome="refused")]
    assert kinds(history(*ALL, seen(7), books=books)) == {"phantom"}


def test_changed_content_is_flagged() -> None:
    assert kinds(history(*ALL[:5], seen(6, content="other"))) == {"different"}
    moved = Seen(at(6), "n6", "topic:all", "content 6")
    assert kinds(history(*ALL[:5], moved)) == {"different"}


def test_content_or_place_that_differs_between_readers_is_flagged() -> None:
    """Even when either alone could be right: an id that was published twice, both times without an answer."""
    books = [*map(published, range(1, 7)), published(7, outcome="unknown"), published(7, outcome="unknown")]
    books[-1] = Published("n7", ALICE, "content 7 again", "p", "unknown")
    judged = history(*ALL, seen(7), books=books)
    judged.readers.append(Reader("s", frozenset((ALICE,)), [Connected("", at(6)), seen(7, content="content 7 again")]))
    assert kinds(judged) == {"different"}
    judged.readers[1].sightings[1] = seen(7, cursor=at(8))
    assert kinds(judged) == {"different"}


def test_other_content_accepted_under_a_known_id_is_flagged() -> None:
    changed = Published("n6", ALICE, "other", "p", "accepted", ordered=False)
    assert kinds(history(*ALL, books=[*map(published, range(1, 7)), changed])) == {"different"}


def test_an_unknown_publish_may_be_there_once_or_not_at_all() -> None:
    books = [*map(published, range(1, 7)), published(7, outcome="unknown")]
    assert check(history(*ALL, books=books)) == []
    assert check(history(*ALL, seen(7), books=books)) == []
    assert kinds(history(*ALL, seen(7), seen(7), books=books)) == {"repeated"}


def test_an_unknown_publish_that_the_log_has_is_owed_to_all_its_readers() -> None:
    books = [*map(published, range(1, 7)), published(7, outcome="unknown")]
    judged = history(*ALL, seen(7), books=books)
    judged.readers.append(Reader("s", frozenset((ALICE,)), [Connected("", at(6))]))
    assert kinds(judged) == {"lost"}


def test_a_cursor_that_is_not_the_logs_place_is_flagged() -> None:
    """Even when it still rises: whoever resumes with it gets what it had, or misses something."""
    books = [published(number) for number in range(1, 7)]
    assert kinds(history(*ALL[:5], seen(6, cursor=at(7)), books=books)) == {"different"}


def test_what_may_expire_is_not_owed() -> None:
    books = [*map(published, range(1, 6)), published(6, may_expire=True)]
    assert check(history(*ALL[:5], books=books)) == []


def test_what_was_recalled_is_missed_by_whoever_comes_later() -> None:
    """And by nobody else: it is still to be in order, and what it was."""
    late = history(*(seen(number) for number in (1, 2, 4, 5, 6)))
    assert [one.kind for one in check(late)] == ["lost"]
    late.recalled.add("n3")
    assert check(late) == []
    late.readers[0].sightings.append(seen(3))
    assert [one.kind for one in check(late)] == ["reordered"]


def test_a_reset_excuses_its_range_and_nothing_else() -> None:
    reset = ResetTold("expired", at(2), at(4))
    assert check(history(*ALL[:2], reset, *ALL[4:])) == []
    assert kinds(history(*ALL[:1], ResetTold("expired", at(2), at(4)), *ALL[5:])) == {"lost"}
    assert kinds(history(*ALL[:2], reset, seen(3), *ALL[4:])) == {"reordered"}
    assert kinds(history(*ALL[:5], ResetTold("expired", at(5), at(2)), *ALL[2:])) >= {"reordered"}


def test_a_missing_reset_is_flagged() -> None:
    """Another epoch, a stream that goes on elsewhere than at the cursor that was brought."""
    assert kinds(history(*ALL[:3], *[seen(n, cursor=at(n, "f")) for n in (4, 5, 6)])) == {"missing_reset"}
    assert kinds(history(*ALL[:2], Connected("e.2", at(4)), *ALL[4:])) == {"missing_reset", "lost"}


def test_a_reset_to_another_log_is_in_order() -> None:
    to = at(4, "f")
    after = [seen(number, cursor=at(number, "f")) for number in (5, 6)]
    assert check(history(*ALL[:2], Connected("e.2", to), ResetTold("unknown_epoch", at(2), to), *after)) == []


def test_a_connection_cut_before_its_reset_is_in_order() -> None:
    """The client still holds its old cursor, and is told again."""
    to = at(4, "f")
    told: list[Sighting] = [Connected("e.2", to), Connected("e.2", to), ResetTold("unknown_epoch", at(2), to)]
    after = [seen(number, cursor=at(number, "f")) for number in (5, 6)]
    assert check(history(*ALL[:2], *told, *after)) == []


def test_what_a_restore_withdrew_is_owed_to_nobody_and_may_come_again() -> None:
    books = [published(number) for number in range(1, 7)]
    places = {f"n{number}": number for number in range(1, 6)} | {"n6": 7}
    judged = history(*ALL, seen(6, cursor=at(7)), books=books, withdrawn={"n6"}, places=places)
    assert check(judged) == []
    assert check(history(*ALL[:5], books=books, withdrawn={"n6"}, places=places)) != []
    del places["n6"]
    assert check(history(*ALL[:5], books=books, withdrawn={"n6"}, places=places)) == []


def test_a_reader_that_forged_its_cursor_begins_anew() -> None:
    """It may get again what it had; from there on the promise holds for it as for anyone."""
    to = at(3)
    forged: list[Sighting] = [Connected("garbage", to), ResetTold("unknown_epoch", None, to)]
    assert check(history(*ALL[:5], *forged, *ALL[3:])) == []
    assert kinds(history(*ALL[:5], *forged, *ALL[3:5])) == {"lost"}


def test_a_reader_of_several_channels_is_owed_all_of_them() -> None:
    books = [published(1), published(2, channel="topic:all"), published(3, channel=NEWS)]
    both = [seen(1), seen(2, channel="topic:all")]
    assert check(history(*both, books=books)) == []
    assert kinds(history(*both[:1], books=books)) == {"lost"}


@pytest.mark.parametrize("kind", KINDS)
def test_counts_name_every_kind(kind: Kind) -> None:
    assert counts([])[kind] == 0
    assert counts(check(history(*ALL[:5])))[kind] == (kind == "lost")
