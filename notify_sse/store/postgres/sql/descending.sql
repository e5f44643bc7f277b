-- As ascending.sql, from the other end, and notifications only: what the service itself wrote between them (its types
-- begin with !) would take their room.
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
                 AND left(log.type, 1) <> '!'
               ORDER BY log.channel DESC, log.id DESC
               LIMIT $5
        ) AS found
        ORDER BY found.id DESC
        LIMIT $5
  ) AS page ON true
 WHERE head.one
 ORDER BY page.id DESC
