-- $1: at most so many events; $2: at most so many bytes of bodies, but the newest event in any case; $3: below this id.
SELECT head.epoch, head.position, head.floor, page.id, page.channel, page.type, page.body, page.expires_ms,
       page.silent, page.erases
  FROM log_head AS head
  LEFT JOIN LATERAL (
       SELECT newest.*, sum(octet_length(body)) OVER (ORDER BY id DESC) AS bytes, max(id) OVER () AS last
         FROM (
              SELECT id, channel, type, body, expires_ms, silent, erases FROM log
               WHERE id < $3 ORDER BY id DESC LIMIT $1
         ) AS newest
  ) AS page ON page.bytes <= $2 OR page.id = page.last
 WHERE head.one
 ORDER BY page.id
