-- As ascending.sql, from the other end.
SELECT head.epoch, head.position, head.floor, page.id, page.place, page.type, page.body, page.expires_ms
  FROM log_head AS head
  LEFT JOIN LATERAL (
       SELECT found.id, asked.place, found.type, found.body, found.expires_ms
         FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (channel, place)
        CROSS JOIN LATERAL (
              SELECT id, type, body, expires_ms FROM log
               WHERE (log.channel, log.id) > (asked.channel, $2)
                 AND (log.channel, log.id) < (asked.channel, $3)
                 AND ($4::text[] IS NULL OR log.type = ANY ($4))
               ORDER BY log.channel DESC, log.id DESC
               LIMIT $5
        ) AS found
        ORDER BY found.id DESC
        LIMIT $5
  ) AS page ON true
 WHERE head.one
 ORDER BY page.id DESC
