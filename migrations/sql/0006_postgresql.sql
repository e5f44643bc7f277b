-- The first statement that changes the log keeps everybody waiting for as long as it waits itself. Whoever migrates
-- tries again.
SET LOCAL lock_timeout = '2s'
---
-- silent: it does not count as unread. erases: whoever holds the body of this id, on the same channel, drops it.
ALTER TABLE log
    ADD COLUMN silent boolean NOT NULL DEFAULT false,
    ADD COLUMN erases bigint NOT NULL DEFAULT 0
---
-- Up to where a recipient has read everything, but for the exceptions in read_mark.
CREATE TABLE read_state (
    channel bytea PRIMARY KEY,
    upto    bigint NOT NULL
)
---
-- Exceptions: above `upto` what is read, at or below it what is not.
CREATE TABLE read_mark (
    channel bytea NOT NULL,
    id      bigint NOT NULL,
    PRIMARY KEY (channel, id)
)
---
-- What retention forgets together with the events.
CREATE INDEX read_mark_id ON read_mark (id)
---
-- As the function of the same name before, which the version before calls. `silences`: of each, whether it is silent.
CREATE FUNCTION log_append(
    notification_ids bytea[], channels bytea[], types text[], bodies bytea[], digests bytea[], expiries_ms bigint[],
    silences boolean[],
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
    INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms, silent)
    SELECT log_position + row_number() OVER (ORDER BY place),
           notification_id, channel, type, body, digest, expires_ms, now_ms, silent
      FROM unnest(notification_ids, channels, types, bodies, digests, expiries_ms, silences) WITH ORDINALITY
           AS given (notification_id, channel, type, body, digest, expires_ms, silent, place)
     WHERE seen_places IS NULL OR place <> ALL (seen_places);
    GET DIAGNOSTICS appended = ROW_COUNT;

    IF appended > 0 THEN
        UPDATE log_head SET position = log_position + appended WHERE one;
    END IF;
END
$$
---
-- As before; and what was read of the events that are removed is forgotten with them.
CREATE OR REPLACE FUNCTION log_expire(retention_ms bigint, most integer) RETURNS integer
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
    DELETE FROM read_mark WHERE id <= last_old;
    UPDATE log_head SET floor = last_old WHERE one AND floor < last_old;
    RETURN removed;
END
$$
---
-- Whoever changes what a recipient has read, or erases on a channel, takes this lock first and the head's last. So what
-- was counted before the head was locked still holds, and the head is locked for as long as an insert takes.
CREATE FUNCTION log_lock_channel(of_channel bytea) RETURNS void
LANGUAGE sql AS $$
    SELECT pg_advisory_xact_lock(hashtext('notify_sse.channel'), hashtext(encode(of_channel, 'hex')))
$$
---
-- What of a channel is unread among the ids above `low` and at most `high`, for a recipient who has read up to `upto`:
-- how many, the lowest id, and the earliest time at which one of them expires (null: none does).
CREATE FUNCTION log_unread(
    of_channel bytea, upto bigint, low bigint, high bigint,
    OUT unread bigint, OUT oldest bigint, OUT expiring_ms bigint
)
LANGUAGE sql STABLE AS $$
    SELECT count(*), min(id), min(nullif(expires_ms, 0))
      FROM (SELECT id, type, expires_ms, silent FROM log
             WHERE (log.channel, log.id) > (of_channel, greatest(upto, low))
               AND (log.channel, log.id) <= (of_channel, high)
               AND NOT EXISTS (SELECT FROM read_mark
                                WHERE (read_mark.channel, read_mark.id) = (of_channel, log.id))
             UNION ALL
            SELECT log.id, log.type, log.expires_ms, log.silent
              FROM read_mark JOIN log ON log.id = read_mark.id
             WHERE (read_mark.channel, read_mark.id) > (of_channel, low)
               AND (read_mark.channel, read_mark.id) <= (of_channel, least(upto, high))) AS candidates
     WHERE NOT silent
       AND left(type, 1) <> '!'
       AND (expires_ms = 0 OR expires_ms > extract(epoch FROM clock_timestamp()) * 1000)
$$
---
-- Write one row of the service's own to the log. Locks the head: call it last. `own_erases` null: all before it.
CREATE FUNCTION log_append_own(of_channel bytea, own_type text, own_body bytea, own_erases bigint,
    OUT log_epoch text, OUT event_id bigint
)
LANGUAGE plpgsql AS $$
BEGIN
    UPDATE log_head SET position = position + 1 WHERE one RETURNING epoch, position INTO STRICT log_epoch, event_id;
    -- No publisher's id begins with this byte, which no UTF-8 has. 1 ms: a version that does not know the type takes it
    -- for expired.
    INSERT INTO log (id, notification_id, channel, type, body, digest, expires_ms, created_ms, silent, erases)
    VALUES (event_id, '\xff'::bytea || int8send(event_id), of_channel, own_type, own_body, '', 1,
            extract(epoch FROM clock_timestamp()) * 1000, true, coalesce(own_erases, event_id - 1));
END
$$
---
-- Mark as read, for the recipient of a channel: everything up to `to_upto`, or else (null) those of `marked_ids`, which
-- are notification_ids, or mark those as not read. `marked_json` are the same ids as JSON.
--
-- What changes something becomes an event of the log, whose id is `event_id`; else that is null.
CREATE FUNCTION log_read(
    of_channel bytea, to_upto bigint, marked_ids bytea[], marked_json bytea[], as_read boolean,
    OUT log_epoch text, OUT event_id bigint, OUT event_body bytea, OUT unread_now bigint, OUT upto_now bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    before  bigint;
    now_ms  bigint := extract(epoch FROM clock_timestamp()) * 1000;
    turned  boolean;
    turning bigint[];
    listed  bytea;
BEGIN
    PERFORM log_lock_channel(of_channel);
    SELECT epoch, position INTO STRICT log_epoch, before FROM log_head WHERE one;
    SELECT coalesce((SELECT upto FROM read_state WHERE channel = of_channel), 0) INTO upto_now;

    IF to_upto IS NOT NULL THEN
        to_upto := least(to_upto, before);
        turned := EXISTS (SELECT FROM log
                           WHERE (channel, id) > (of_channel, upto_now) AND (channel, id) <= (of_channel, to_upto)
                             AND left(type, 1) <> '!' AND (expires_ms = 0 OR expires_ms > now_ms)
                             AND NOT EXISTS (SELECT FROM read_mark
                                              WHERE (read_mark.channel, read_mark.id) = (of_channel, log.id)))
               OR EXISTS (SELECT FROM read_mark WHERE channel = of_channel AND id <= least(to_upto, upto_now));
        DELETE FROM read_mark WHERE channel = of_channel AND id <= to_upto;
        IF to_upto > upto_now THEN
            upto_now := to_upto;
            INSERT INTO read_state (channel, upto) VALUES (of_channel, to_upto)
                ON CONFLICT (channel) DO UPDATE SET upto = to_upto;
        END IF;
    ELSE
        SELECT array_agg(log.id), string_agg(given.json, ','::bytea ORDER BY given.place) INTO turning, listed
          FROM unnest(marked_ids, marked_json) WITH ORDINALITY AS given (notification_id, json, place)
          JOIN log ON log.channel = of_channel AND log.notification_id = given.notification_id
         WHERE left(type, 1) <> '!' AND (expires_ms = 0 OR expires_ms > now_ms)
           AND as_read <> ((id <= upto_now) <> EXISTS (SELECT FROM read_mark
                                                       WHERE (read_mark.channel, read_mark.id) = (of_channel, log.id)));
        turned := turning IS NOT NULL;
        DELETE FROM read_mark WHERE channel = of_channel AND id = ANY (turning) AND as_read = (id <= upto_now);
        INSERT INTO read_mark (channel, id)
        SELECT of_channel, id FROM unnest(turning) AS given (id) WHERE as_read <> (id <= upto_now);
    END IF;

    SELECT unread INTO unread_now FROM log_unread(of_channel, upto_now, 0, before);
    IF turned THEN
        PERFORM FROM log_head WHERE one FOR UPDATE;
        SELECT unread_now + unread INTO unread_now
          FROM log_unread(of_channel, upto_now, before, 9223372036854775807);
        event_body := CASE WHEN to_upto IS NULL
            THEN convert_to('{"upto":null,"ids":[', 'UTF8') || listed || convert_to(format(
                '],"read":%s,"unread":%s}', as_read::text, unread_now), 'UTF8')
            ELSE convert_to(format('{"upto":"%s.%s","ids":null,"read":true,"unread":%s}', log_epoch, to_upto,
                unread_now), 'UTF8')
        END;
        SELECT * INTO log_epoch, event_id FROM log_append_own(of_channel, '!read', event_body, 0);
    END IF;
END
$$
---
-- Erase the body of one notification; `told` is the body of the event that says so. `place` is null when there is none;
-- `event_id` is null when it was recalled, or erased, before. Its digest stays, so that other content is a conflict.
CREATE FUNCTION log_recall(
    of_channel bytea, of_id bytea, told bytea, OUT log_epoch text, OUT place bigint, OUT event_id bigint
)
LANGUAGE plpgsql AS $$
DECLARE
    kind text;
BEGIN
    PERFORM log_lock_channel(of_channel);
    SELECT epoch INTO STRICT log_epoch FROM log_head WHERE one;
    SELECT id, type INTO place, kind FROM log WHERE channel = of_channel AND notification_id = of_id;
    IF place IS NULL OR kind = '!gone' THEN
        RETURN;
    END IF;
    UPDATE log SET type = '!gone', body = '', expires_ms = 1, silent = true WHERE id = place;
    DELETE FROM read_mark WHERE channel = of_channel AND id = place;
    SELECT own.log_epoch, own.event_id INTO log_epoch, event_id
      FROM log_append_own(of_channel, '!recalled', told, place) AS own;
END
$$
---
-- Erase the content of at most `most` rows of a channel, after id `low`. Returns the id of the last of them, null when
-- none is left, and how many of them were notifications. Without a digest, any content is a duplicate.
CREATE FUNCTION log_erase_some(of_channel bytea, low bigint, most integer, OUT last_id bigint, OUT notifications bigint)
LANGUAGE sql AS $$
    WITH piece AS (
        SELECT id, type FROM log
         WHERE (channel, id) > (of_channel, low) AND (channel, id) < (of_channel, 9223372036854775807)
         ORDER BY channel, id LIMIT most
    ), erased AS (
        UPDATE log SET type = '!gone', body = '', digest = '', expires_ms = 1, silent = true, erases = 0
          FROM piece WHERE log.id = piece.id
    )
    SELECT max(id), count(*) FILTER (WHERE left(type, 1) <> '!') FROM piece
$$
---
-- Erase what came to a channel after id `low`, and what was read there; append the row that tells every tail of it.
CREATE FUNCTION log_erase_rest(
    of_channel bytea, low bigint, OUT log_epoch text, OUT event_id bigint, OUT notifications bigint
)
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM log_lock_channel(of_channel);
    DELETE FROM read_state WHERE channel = of_channel;
    DELETE FROM read_mark WHERE channel = of_channel;
    PERFORM FROM log_head WHERE one FOR UPDATE;
    SELECT rest.notifications INTO notifications FROM log_erase_some(of_channel, low, 2147483647) AS rest;
    SELECT own.log_epoch, own.event_id INTO log_epoch, event_id
      FROM log_append_own(of_channel, '!erased', '', NULL) AS own;
END
$$
