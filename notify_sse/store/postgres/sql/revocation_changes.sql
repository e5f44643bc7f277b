-- At most $2 changes after version $1, with the newest version in every row: one row at least.
SELECT head.version AS newest, changed.version, kind, value, revoked_ms, until_ms, reason, who, id, undone
  FROM revocation_head AS head
  LEFT JOIN LATERAL (SELECT * FROM revocations WHERE version > $1 ORDER BY version LIMIT $2) AS changed ON true
 WHERE one
 ORDER BY changed.version
