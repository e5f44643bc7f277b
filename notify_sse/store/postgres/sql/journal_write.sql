-- $1–$14: connections that were opened, as columns (closed already, or null); $15–$18: connections that ended, as columns;
-- $19–$24: accepted runs, as columns; $25–$34: the gateway's beat. The parts of one statement do not see each other's
-- rows: a connection that was opened and has ended since the last beat comes with both. One that was written before, in
-- an attempt whose outcome nobody heard, may come again, and with its end by then.
WITH opened AS (
    INSERT INTO journal_connections AS kept (
        id, recipient, gateway, transport, address_hash, topics, filtered, epoch, position, resumed_at, opened_ms,
        closed_position, closed_ms, reason)
    SELECT * FROM unnest(
        $1::text[], $2::bytea[], $3::text[], $4::text[], $5::text[], $6::text[], $7::boolean[], $8::text[],
        $9::bigint[], $10::bigint[], $11::bigint[], $12::bigint[], $13::bigint[], $14::text[])
    ON CONFLICT (id) DO UPDATE
       SET closed_position = excluded.closed_position, closed_ms = excluded.closed_ms, reason = excluded.reason
     WHERE kept.closed_ms IS NULL AND excluded.closed_ms IS NOT NULL
), closed AS (
    UPDATE journal_connections AS kept
       SET closed_position = given.position, closed_ms = given.closed_ms, reason = given.reason
      FROM unnest($15::text[], $16::bigint[], $17::bigint[], $18::text[]) AS given (id, position, closed_ms, reason)
     WHERE kept.id = given.id AND kept.closed_ms IS NULL
), accepted AS (
    INSERT INTO journal_accepted (first, last, way, gateway, committed_ms, announced)
    SELECT * FROM unnest($19::bigint[], $20::bigint[], $21::text[], $22::text[], $23::bigint[], $24::boolean[])
    ON CONFLICT (first) DO UPDATE
       SET last = excluded.last, way = excluded.way, gateway = excluded.gateway,
           committed_ms = excluded.committed_ms, announced = excluded.announced
)
INSERT INTO journal_gateways (
    gateway, version, epoch, position, lagging, lost, stopped, streams, lag, report, began_ms, beat_ms)
VALUES ($25, $26, $27, $28, $29, $30, $31, $32, $33, $34, (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ON CONFLICT (gateway) DO UPDATE
   SET epoch = excluded.epoch, position = excluded.position, lagging = excluded.lagging, lost = excluded.lost,
       stopped = excluded.stopped, streams = excluded.streams, lag = excluded.lag, report = excluded.report,
       beat_ms = excluded.beat_ms
