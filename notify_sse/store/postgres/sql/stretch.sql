-- $1: after this id; $2: at most so many. One row with null columns stands for no event.
SELECT head.epoch, head.position, head.floor, page.id, page.channel, page.type, page.body, page.expires_ms,
       page.silent, page.erases, page.created_ms
  FROM log_head AS head
  LEFT JOIN LATERAL (
       SELECT id, channel, type, body, expires_ms, silent, erases, created_ms FROM log
        WHERE id > $1 ORDER BY id LIMIT $2
  ) AS page ON true
 WHERE head.one
 ORDER BY page.id
