-- $1 … $5: who changes it, for the audit log; $6: which; $7: for how many ms it is kept after that. Nothing is done, and
-- nothing noted, when there is none such. Whoever comes second waits at the row, and then finds it undone.
WITH found AS (
    SELECT id FROM revocations WHERE id = $6 AND NOT undone FOR UPDATE
), head AS (
    UPDATE revocation_head SET version = version + 1 WHERE one AND EXISTS (SELECT FROM found) RETURNING version
), noted AS (
    INSERT INTO audit (at_ms, who, address, action, target, details)
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $1::bytea, $2::text, $3::text, $4::bytea, $5::bytea
     WHERE EXISTS (SELECT FROM found)
)
UPDATE revocations
   SET undone = true, version = head.version,
       until_ms = (extract(epoch FROM clock_timestamp()) * 1000)::bigint + $7::bigint
  FROM head WHERE revocations.id = $6
RETURNING kind, value, revoked_ms, until_ms, reason, who, id, undone
