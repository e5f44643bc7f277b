-- $1: channels; $2 < id < $3; $4: types, or null for all; $5: at most so many.
--
-- Each channel is read by itself from the index (channel, id), never more than $5 of it, and then they are merged. The
-- row comparisons, not `channel = … AND id > …`, leave the planner no other index: with stale statistics it would scan
-- the whole log by id for a channel that has no events.
SELECT head.epoch, head.position, head.floor, page.id, page.place, page.type, page.body, page.expires_ms,
       page.silent, page.erases
  FROM log_head AS head
  LEFT JOIN LATERAL (
       SELECT found.id, asked.place, found.type, found.body, found.expires_ms, found.silent, found.erases
         FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (channel, place)
        CROSS JOIN LATERAL (
              SELECT id, type, body, expires_ms, silent, erases FROM log
               WHERE (log.channel, log.id) > (asked.channel, $2)
                 AND (log.channel, log.id) < (asked.channel, $3)
                 AND ($4::text[] IS NULL OR log.type = ANY ($4))
               ORDER BY log.channel, log.id
               LIMIT $5
        ) AS found
        ORDER BY found.id
        LIMIT $5
  ) AS page ON true
 WHERE head.one
 ORDER BY page.id
