CREATE TABLE log (
    id              bigint PRIMARY KEY,
    notification_id bytea NOT NULL,
    channel         bytea NOT NULL,
    type            text NOT NULL,
    body            bytea NOT NULL,
    digest          bytea NOT NULL,
    expires_ms      bigint NOT NULL,
    created_ms      bigint NOT NULL
)
---
CREATE UNIQUE INDEX log_notification_id ON log (notification_id)
---
-- What a replay reads: one channel, in the order of the log.
CREATE INDEX log_channel ON log (channel, id)
---
-- One row, whose lock makes commit order the order of ids. Almost empty pages, so that each update stays on its page.
CREATE TABLE log_head (
    one      boolean PRIMARY KEY CHECK (one),
    epoch    text NOT NULL,
    position bigint NOT NULL,
    floor    bigint NOT NULL
) WITH (fillfactor = 10)
---
-- Append what is new of a batch whose notification_ids differ from each other: ids go on from the head, in the batch's
-- order. Returns the epoch, the position before, and of each that was in the log already its place in the batch
-- (from 1), its id and its digest.
--
-- One call is one transaction in one round trip: a client that is frozen or cut off in the middle never holds the head.
CREATE FUNCTION log_append(
    notification_ids bytea[], channels bytea[], types text[], bodies bytea[], digests bytea[], expiries_ms bigint[],
    OUT log_epoch text, OUT log_position bigint,
    OUT seen_places bigint[], OUT seen_ids bigint[], OUT seen_digests bytea[]
)
LANGUAGE plpgsql AS $$
DECLARE
    appended bigint;
    now_ms   bigint;
BEGIN
    SELECT epoch, position INTO STRICT log_epoch, log_position FROM log_head WHERE one FOR UPDATE;

    -- A new statement, so a new snapshot: it sees everything that was committed before the lock was ours. In the
    -- statement above, the snapshot would be older than the wait.
    SELECT array_agg(given.place), array_agg(log.id), array_agg(log.digest)
      INTO seen_places, seen_ids, seen_digests
      FROM unnest(notification_ids) WITH ORDINALITY AS given (notification_id, place)
      JOIN log ON log.notification_id = given.notification_id;

    now_ms := extract(epoch FROM clock_timestamp()) * 1000;
    INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms)
    SELECT log_position + row_number() OVER (ORDER BY place),
           notification_id, channel, type, body, digest, expires_ms, now_ms
      FROM unnest(notification_ids, channels, types, bodies, digests, expiries_ms) WITH ORDINALITY
           AS given (notification_id, channel, type, body, digest, expires_ms, place)
     WHERE seen_places IS NULL OR place <> ALL (seen_places);
    GET DIAGNOSTICS appended = ROW_COUNT;

    IF appended > 0 THEN
        UPDATE log_head SET position = log_position + appended WHERE one;
    END IF;
END
$$
---
-- Remove at most `most` of the oldest events that are at least `retention_ms` old, and move the floor; returns how many.
--
-- Only a prefix of the log goes: the first event that is not old ends it, whatever a clock that stepped wrote behind
-- it. The head is locked last, for as long as a commit takes. One process removes at a time; another is told 0.
CREATE FUNCTION log_expire(retention_ms bigint, most integer) RETURNS integer
LANGUAGE plpgsql AS $$
DECLARE
    newest_old_ms bigint := extract(epoch FROM clock_timestamp()) * 1000 - retention_ms;
    last_old      bigint;
    removed       integer;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('notify_sse.log_expire')) THEN
        RETURN 0;
    END IF;

    SELECT max(id) INTO last_old
      FROM (SELECT id, bool_and(created_ms <= newest_old_ms) OVER (ORDER BY id) AS old
              FROM (SELECT id, created_ms FROM log
                     WHERE id > (SELECT floor FROM log_head WHERE one)
                     ORDER BY id LIMIT most) AS oldest) AS prefix
     WHERE old;
    IF last_old IS NULL THEN
        RETURN 0;
    END IF;

    DELETE FROM log WHERE id <= last_old;
    GET DIAGNOSTICS removed = ROW_COUNT;
    UPDATE log_head SET floor = last_old WHERE one AND floor < last_old;
    RETURN removed;
END
$$
