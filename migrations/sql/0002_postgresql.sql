-- The last statement keeps everybody waiting for as long as it waits itself. Whoever migrates tries again.
SET LOCAL lock_timeout = '2s'
---
-- There already, built CONCURRENTLY, wherever the log is not new.
CREATE UNIQUE INDEX IF NOT EXISTS log_identity ON log (channel, notification_id)
---
-- Append what is new of a batch in which no two have the same channel and notification_id: ids go on from the head, in
-- the batch's order. Returns the epoch, the position before, and of each that was in the log already its place in the
-- batch (from 1), its id and its digest.
--
-- One call is one transaction in one round trip: a client that is frozen or cut off in the middle never holds the head.
CREATE OR REPLACE FUNCTION log_append(
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
      FROM unnest(notification_ids, channels) WITH ORDINALITY AS given (notification_id, channel, place)
      JOIN log ON log.channel = given.channel AND log.notification_id = given.notification_id;

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
DROP INDEX log_notification_id
