-- $1 … $5: who changes it, for the audit log; nothing is noted when $1 is null. The lock of the head makes commit order
-- the order of versions.
WITH head AS (
    UPDATE revocation_head SET version = version + 1 WHERE one RETURNING version
), noted AS (
    INSERT INTO audit (at_ms, who, address, action, target, details)
    SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint, $1::bytea, $2::text, $3::text, $4::bytea, $5::bytea
     WHERE $1 IS NOT NULL
)
INSERT INTO revocations (id, version, kind, value, revoked_ms, until_ms, reason, who)
SELECT version, version, $6::text, $7::bytea, $8::bigint, $9::bigint, $10::bytea, $11::bytea FROM head
RETURNING kind, value, revoked_ms, until_ms, reason, who, id, undone
