-- $1: channels. One row for each, in their order.
SELECT head.epoch, head.position, coalesce(read_state.upto, 0) AS upto, counted.unread, counted.oldest, counted.expiring_ms
  FROM log_head AS head
 CROSS JOIN unnest($1::bytea[]) WITH ORDINALITY AS asked (channel, place)
  LEFT JOIN read_state ON read_state.channel = asked.channel
 CROSS JOIN LATERAL log_unread(asked.channel, coalesce(read_state.upto, 0), 0, head.position) AS counted
 WHERE head.one
 ORDER BY asked.place
