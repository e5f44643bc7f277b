"""What the checker cannot know of a run: refusals, writes, needless resets, and what a client holds at the end."""

from typing import TYPE_CHECKING, Final, TypeGuard

from notify_sse.core.cursor import Cursor
from notify_sse.core.model import GONE
from tests.simulation.client import FORGED, Client
from tests.simulation.database import Database, number_of
from tests.support.checker import ResetTold

if TYPE_CHECKING:
    from tests.simulation.world import World

OUT_OF_CONTRACT: Final = {
    "two writers": "a connection was written to while a write was under way",
    "stream broke": "an exception ended a stream",
    "break not told": "a stream did not notice that the log went back",
    "wrongly refused": "a sound notification was refused",
    "taken again too early": "deliveries were taken while the store was away",
    "miscounted": "a stream began with a wrong number of unread notifications",
    "recalled, but sent": "content left a tail that had taken in its recall",
}


def out_of_contract(world: "World") -> str:
    """What the checker cannot know of, since it is about refusals, writes and needless resets."""
    tally = world.tally
    if found := [text for name, text in OUT_OF_CONTRACT.items() if tally[name]]:
        return found[0]
    if len({one.message_id for one, reason in world.exchange.dead if reason != "not_found"}) < tally["spoilt"]:
        return "a refused message is not in the dead letters"
    excused = {number_of(body): count for body, count in world.exchange.excused.items()}
    if any(copies > 1 + excused.get(number, 0) for number, copies in world.database.copies.items()):
        return "a notification without an id was stored again, although it was known not to be"
    if not tally["retention"] and tally["reset expired"]:
        return "a reset for retention, although there was none"
    if not tally["new epoch"] + tally["log went back"] and any(
        sighting.came for reader in world.history.readers for sighting in reader.sightings if _of_another_log(sighting)
    ):
        return "a reset for another log, although there is but one"
    return ""


def _of_another_log(sighting: object) -> TypeGuard[ResetTold]:
    """Whether it is a reset for an unknown epoch or a cursor ahead, other than for a forged cursor."""
    return isinstance(sighting, ResetTold) and sighting.reason != "expired" and str(sighting.came) not in FORGED


def disagreement(world: "World") -> str:
    """Who holds at the end what the log has not, or otherwise; empty when all agree with it."""
    for publisher in world.publishers:
        for one in publisher.recalled:
            place = _standing(world.database, one.notification_id)
            kept = place and one.notification_id not in world.database.own.restored
            if kept and world.database.rows[place - 1].type != GONE:
                return f"{one.notification_id} was recalled, and is still there"
    for client in world.clients:
        if found := _held_wrongly(client, world.database) or _miscounted(client, world):
            return f"{client.reader.name} {found}"
    return ""


def _standing(database: Database, name: str) -> int:
    """Where the log has it; 0 when retention removed it, or it went with a log that went back."""
    place = database.ever.get(name, 0)
    return place if place > database.floor and name not in database.withdrawn else 0


def _held_wrongly(client: Client, database: Database) -> str:
    for name, item in client.holding.items.items():
        place = _standing(database, name)
        if not place:
            continue
        row = database.rows[place - 1]
        if row.type == GONE:
            return f"holds {name}, which was recalled"
        if not row.expires_ms and client.owns(item.channel) and item.read != database.own.is_read(place, item.channel):
            return f"takes {name} for {'read' if item.read else 'unread'}"
    return ""


def _miscounted(client: Client, world: "World") -> str:
    if not world.database.writable:
        return ""  # the log went back: its numbers are void once it has its new epoch
    told, counted = client.holding.unread, _unread(client, world)
    return "" if None in (told, counted) or told == counted else f"counts {told} unread; it is {counted}"


def compare_unread(world: "World", client: Client, count: int, at: Cursor) -> None:
    """A stream began with `count`, as of `at`. While the log stands there, that can be compared."""
    if at == Cursor(world.database.epoch, len(world.database.rows)) and (counted := _unread(client, world)) is not None:
        world.tally["unread compared"] += 1
        world.tally["miscounted"] += count != counted


def _unread(client: Client, world: "World") -> int | None:
    """How many are unread. None when some expired or were removed: these may still be in a number that was told."""
    database = world.database
    rows = [row for row in database.rows if client.owns(row.channel)]
    if any(row.expires_ms > 1 or row.id <= database.floor for row in rows):
        return None
    return database.own.unread(client.recipient, head=database.head, now_ms=world.wall() * 1000).count
