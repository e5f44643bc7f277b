-- Who changed what, when, from where. `who` and `target` are UTF-8; `details` is a JSON object.
CREATE TABLE audit (
    id      INTEGER PRIMARY KEY,
    at_ms   BIGINT NOT NULL,
    who     BLOB NOT NULL,
    address TEXT NOT NULL,
    action  TEXT NOT NULL,
    target  BLOB NOT NULL,
    details BLOB NOT NULL
)
---
-- One row: the version of the last change of a revocation.
CREATE TABLE revocation_head (
    one     BOOLEAN PRIMARY KEY CHECK (one),
    version BIGINT NOT NULL
)
---
INSERT INTO revocation_head (one, version) VALUES (true, 0)
---
-- See 0003_postgresql.sql.
CREATE TABLE revocations (
    id         INTEGER PRIMARY KEY,
    version    BIGINT NOT NULL,
    kind       TEXT NOT NULL,
    value      BLOB NOT NULL,
    revoked_ms BIGINT NOT NULL,
    until_ms   BIGINT NOT NULL,
    reason     BLOB NOT NULL,
    who        BLOB NOT NULL,
    undone     BOOLEAN NOT NULL DEFAULT false
)
---
CREATE UNIQUE INDEX revocations_version ON revocations (version)
---
CREATE INDEX revocations_until ON revocations (until_ms)
---
-- Tickets not used yet: the SHA-256 of each, and what it grants, as JSON.
CREATE TABLE tickets (
    hash       BLOB PRIMARY KEY,
    granted    BLOB NOT NULL,
    expires_ms BIGINT NOT NULL
)
---
CREATE INDEX tickets_expires ON tickets (expires_ms)
