-- As ascending.sql, for $4: types. Of each channel at most $6 events are looked at, whatever their types: the last column
-- is the id up to which that was done, null when it was done to the end.
WITH looked_at AS MATERIALIZED (
    SELECT asked.place, seen.id, seen.type, seen.expires_ms
      FROM unnest($1::bytea[]) WITH ORDINALITY AS asked (channel, place)
     CROSS JOIN LATERAL (
           SELECT id, type, expires_ms FROM log
            WHERE (log.channel, log.id) > (asked.channel, $2)
              AND (log.channel, log.id) < (asked.channel, $3)
            ORDER BY log.channel, log.id
            LIMIT $6
     ) AS seen
), ends AS (
    SELECT min(place_end) AS at
      FROM (SELECT max(id) AS place_end FROM looked_at GROUP BY place HAVING count(*) >= $6) AS cut_off
)
SELECT head.epoch, head.position, head.floor, page.id, page.place, page.type, log.body, page.expires_ms, ends.at
  FROM log_head AS head
 CROSS JOIN ends
  LEFT JOIN LATERAL (
       SELECT looked_at.* FROM looked_at
        WHERE looked_at.type = ANY ($4::text[]) AND (ends.at IS NULL OR looked_at.id <= ends.at)
        ORDER BY looked_at.id
        LIMIT $5
  ) AS page ON true
  LEFT JOIN log ON log.id = page.id
 WHERE head.one
 ORDER BY page.id
