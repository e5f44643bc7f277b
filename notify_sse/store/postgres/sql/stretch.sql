-- $1: after this id; $2: at most so many; $3: none after so many bytes of bodies. One row with null columns stands for
-- no event.
SELECT head.epoch, head.position, head.floor, page.id, page.channel, page.type, page.body, page.expires_ms,
       page.silent, page.erases, page.created_ms
  FROM log_head AS head
  LEFT JOIN LATERAL (
       SELECT next.*, sum(octet_length(body)) OVER (ORDER BY id) - octet_length(body) AS bytes_before
         FROM (
              SELECT id, channel, type, body, expires_ms, silent, erases, created_ms FROM log
               WHERE id > $1 ORDER BY id LIMIT $2
         ) AS next
  ) AS page ON page.bytes_before < $3
 WHERE head.one
 ORDER BY page.id
