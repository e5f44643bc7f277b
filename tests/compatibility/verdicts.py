"""What a trial says of a client, in the table's words."""

from tests.compatibility.trial import BATCH, WATCHED_S, Seen

MANY = WATCHED_S * 10
"""More requests than that while it was watched make a busy loop."""
EXPECTED = list(range(2 * BATCH))


def on_coming_back(seen: Seen) -> str:
    """After a kill, a drain or a 502: has it everything, once and in order?"""
    if seen.numbers == EXPECTED:
        return "a busy loop, then comes back" if seen.asked > MANY else "comes back"
    if seen.numbers[:BATCH] != EXPECTED[:BATCH]:
        return "never came"
    if len(seen.numbers) == BATCH and not seen.is_live:
        return "ends for good" if seen.has_ended or seen.asked <= 1 else "does not come back in time"
    if len(set(seen.numbers)) < len(seen.numbers):
        return "comes back, some twice"
    return "comes back, some lost"


def on_refusal(seen: Seen) -> str:
    """After its token's end, with 401 as the answer to every further request."""
    if seen.has_ended or seen.asked <= 1:
        return "ends for good"
    return "a busy loop" if seen.asked > MANY else "tries for ever"
