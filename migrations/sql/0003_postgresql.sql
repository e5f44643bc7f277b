-- Who changed what, when, from where. `who` and `target` are any text, with NUL, as UTF-8; `details` is a JSON object.
CREATE TABLE audit (
    id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms   bigint NOT NULL,
    who     bytea NOT NULL,
    address text NOT NULL,
    action  text NOT NULL,
    target  bytea NOT NULL,
    details bytea NOT NULL
)
---
-- One row. Each change of a revocation takes the next version under its lock, so commit order is version order: a
-- process that has read up to a version has missed nothing below it.
CREATE TABLE revocation_head (
    one     boolean PRIMARY KEY CHECK (one),
    version bigint NOT NULL
) WITH (fillfactor = 10)
---
INSERT INTO revocation_head (one, version) VALUES (true, 0)
---
-- `value` is the sub, the jti or the token's id, by `kind`. `revoked_ms`: of a sub, tokens issued up to then are
-- revoked. `until_ms`: when the last of these tokens has ended; 0 where nobody knows. One that was taken back stays,
-- as `undone`, until every process has heard of it.
CREATE TABLE revocations (
    id         bigint PRIMARY KEY,
    version    bigint NOT NULL,
    kind       text NOT NULL,
    value      bytea NOT NULL,
    revoked_ms bigint NOT NULL,
    until_ms   bigint NOT NULL,
    reason     bytea NOT NULL,
    who        bytea NOT NULL,
    undone     boolean NOT NULL DEFAULT false
)
---
CREATE UNIQUE INDEX revocations_version ON revocations (version)
---
CREATE INDEX revocations_until ON revocations (until_ms)
---
-- Tickets not used yet: the SHA-256 of each, and what it grants, as JSON.
CREATE TABLE tickets (
    hash       bytea PRIMARY KEY,
    granted    bytea NOT NULL,
    expires_ms bigint NOT NULL
)
---
CREATE INDEX tickets_expires ON tickets (expires_ms)
