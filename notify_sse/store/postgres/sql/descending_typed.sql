-- As ascending_typed.sql, from the other end.
WITH looked_at AS MATERIALIZED (
    SELECT asked.place, seen.id, seen.type, seen.expires_ms
      FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (channel, place)
     CROSS JOIN LATERAL (
           SELECT id, type, expires_ms FROM log
            WHERE (log.channel, log.id) > (asked.channel, $2)
              AND (log.channel, log.id) < (asked.channel, $3)
            ORDER BY log.channel DESC, log.id DESC
            LIMIT $6
     ) AS seen
), ends AS (
    SELECT max(place_end) AS at
      FROM (SELECT min(id) AS place_end FROM looked_at GROUP BY place HAVING count(*) >= $6) AS cut_off
)
SELECT head.epoch, head.position, head.floor, page.id, page.place, page.type, log.body, page.expires_ms, ends.at
  FROM log_head AS head
 CROSS JOIN ends
  LEFT JOIN LATERAL (
       SELECT looked_at.* FROM looked_at
        WHERE looked_at.type = ANY ($4::text[]) AND (ends.at IS NULL OR looked_at.id >= ends.at)
        ORDER BY looked_at.id DESC
        LIMIT $5
  ) AS page ON true
  LEFT JOIN log ON log.id = page.id
 WHERE head.one
 ORDER BY page.id DESC
