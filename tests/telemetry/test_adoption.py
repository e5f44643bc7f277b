"""How many recipients were seen in a day: each once, whoever saw it, and not for longer."""

from pathlib import Path

from notify_sse.telemetry.adoption import FILE, HOUR_S, RecipientsSeen


class _Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_each_recipient_counts_once_a_way() -> None:
    """Few are counted exactly."""
    seen = RecipientsSeen(None)
    for _ in range(3):
        for name in ("alice", "bob", "\ud800"):
            seen.note("stream", name)
        seen.note("poll", "alice")
    assert (seen.count("stream"), seen.count("poll")) == (3, 1)


def test_many_are_counted_to_within_a_few_percent() -> None:
    """Whatever their number: the memory stays what it is."""
    seen = RecipientsSeen(None)
    for number in range(60_000):
        seen.note("stream", f"r{number}")
        if number in (99, 4_999, 59_999):
            assert abs(seen.count("stream") / (number + 1) - 1) < 0.06


def test_workers_count_together(tmp_path: Path) -> None:
    """One that starts later finds what the others saw."""
    one, other = RecipientsSeen(str(tmp_path)), RecipientsSeen(str(tmp_path))
    one.note("stream", "alice")
    other.note("stream", "alice")
    other.note("stream", "bob")
    later = RecipientsSeen(str(tmp_path))
    assert [each.count("stream") for each in (one, other, later)] == [2, 2, 2]
    assert (tmp_path / FILE).exists()


def test_after_a_day_a_recipient_is_forgotten() -> None:
    """Hour by hour; its place is used again."""
    clock = _Clock()
    seen = RecipientsSeen(None, clock=clock)
    seen.note("stream", "alice")
    clock.now += HOUR_S
    seen.note("stream", "bob")
    clock.now += 23 * HOUR_S
    assert seen.count("stream") == 2
    clock.now += HOUR_S
    assert seen.count("stream") == 1
    for _ in range(30):
        clock.now += HOUR_S
        seen.note("stream", "carol")
    assert seen.count("stream") == 1
