"""Both stores keep the contract; and the contract tells a log with a sequence's ids from ours."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from notify_sse.errors import BadConfiguration
from notify_sse.store import open_store
from tests.store import store_contract
from tests.store.reading_contract import READING
from tests.store.store_contract import WRITING
from tests.store.subject import Subject

PAUSE = """
    CREATE FUNCTION pause() RETURNS trigger LANGUAGE plpgsql AS
    'BEGIN PERFORM pg_sleep(random() * 0.01); RETURN NULL; END'
"""
PAUSE_BEFORE_COMMIT = "CREATE TRIGGER pause AFTER INSERT ON log EXECUTE FUNCTION pause()"
# What a table with a BIGSERIAL does: ids are taken first, then time passes, then the transaction commits.
IDS_BEFORE_COMMIT = """
    CREATE OR REPLACE FUNCTION log_append(
        notification_ids bytea[], channels bytea[], types text[], bodies bytea[], digests bytea[], expiries_ms bigint[],
        silences boolean[],
        OUT log_epoch text, OUT log_position bigint,
        OUT seen_places bigint[], OUT seen_ids bigint[], OUT seen_digests bytea[]
    )
    LANGUAGE plpgsql AS $$
    BEGIN
        INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms)
        SELECT nextval('log_ids'), notification_id, channel, type, body, digest, expires_ms, 0
          FROM unnest(notification_ids, channels, types, bodies, digests, expiries_ms)
               AS given (notification_id, channel, type, body, digest, expires_ms);
        UPDATE log_head SET position = greatest(position, currval('log_ids')) WHERE one
         RETURNING epoch, position INTO log_epoch, log_position;
    END
    $$
"""


@pytest.fixture(params=["sqlite", "postgres"])
def subject(request: pytest.FixtureRequest) -> Subject:
    return Subject(request.getfixturevalue("sqlite_url" if request.param == "sqlite" else "database_url"))


@pytest.mark.parametrize("invariant", [*WRITING, *READING], ids=lambda invariant: invariant.__name__)
async def test_store(subject: Subject, invariant: Callable[[Subject], Awaitable[None]]) -> None:
    """Every invariant of the contract holds on both stores."""
    await invariant(subject)


async def test_commit_order_holds_when_writers_pause_before_they_commit(database_url: str) -> None:
    """failures.md, row 1: a transaction that took its ids early and commits late does not let a reader pass them."""
    subject = Subject(database_url)
    async with subject.opened():
        await subject.sql(PAUSE)
        await subject.sql(PAUSE_BEFORE_COMMIT)
    await store_contract.commit_order_is_id_order(subject)


async def test_the_contract_catches_ids_that_are_taken_before_the_commit(database_url: str) -> None:
    """The defence matters: with ids from a sequence, the same writers and the same reader lose events."""
    subject = Subject(database_url)
    async with subject.opened():
        for statement in (PAUSE, PAUSE_BEFORE_COMMIT, "CREATE SEQUENCE log_ids", IDS_BEFORE_COMMIT):
            await subject.sql(statement)
    with pytest.raises(AssertionError, match="the follower lost"):
        await store_contract.commit_order_is_id_order(subject)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "mysql://localhost/x",
        "/var/lib/log.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///log.db?mode=ro",
        "sqlite://host/log.db",
        "sqlite:///folder/",
    ],
)
def test_a_url_that_is_no_store_is_refused(url: str) -> None:
    """A wrong DATABASE_URL stops the start with one line that names the setting."""
    with pytest.raises(BadConfiguration, match=r"^NOTIFY_SSE_DATABASE_URL: [^\n]+$"):
        open_store(url)


def test_a_store_connects_to_nothing_before_it_is_opened(tmp_path: Path) -> None:
    """Making a store has no effect; that is `open()`."""
    open_store(f"sqlite:///{tmp_path / 'folder' / 'log.db'}")
    open_store("postgres://nobody@nowhere.invalid:1/nothing")
    assert not list(tmp_path.iterdir())
