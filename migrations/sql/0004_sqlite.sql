-- To find a notification whose channel nobody names.
CREATE INDEX log_by_notification_id ON log (notification_id)
---
-- A connection: it has written all on its channels between `position` and `closed_position` of the log of `epoch`.
-- `resumed_at` is the position that its client brought, 0 for none. Times are Unix time in ms.
CREATE TABLE journal_connections (
    id              TEXT PRIMARY KEY,
    recipient       BLOB NOT NULL,
    gateway         TEXT NOT NULL,
    transport       TEXT NOT NULL,
    address_hash    TEXT NOT NULL,
    topics          TEXT NOT NULL,
    filtered        BOOLEAN NOT NULL,
    epoch           TEXT NOT NULL,
    position        BIGINT NOT NULL,
    resumed_at      BIGINT NOT NULL,
    opened_ms       BIGINT NOT NULL,
    closed_position BIGINT,
    closed_ms       BIGINT,
    reason          TEXT
)
---
CREATE INDEX journal_connections_recipient ON journal_connections (recipient, opened_ms)
---
CREATE INDEX journal_connections_opened ON journal_connections (opened_ms)
---
-- How far each gateway is, written once a second: its open connections have written all up to `position`, but those
-- `lagging` (JSON: connection id, position). `beat_ms` is by the clock of this database. `lost`: rows that were not kept.
CREATE TABLE journal_gateways (
    gateway  TEXT PRIMARY KEY,
    version  TEXT NOT NULL,
    epoch    TEXT NOT NULL,
    position BIGINT NOT NULL,
    lagging  TEXT NOT NULL,
    lost     BIGINT NOT NULL,
    stopped  BOOLEAN NOT NULL,
    began_ms BIGINT NOT NULL,
    beat_ms  BIGINT NOT NULL
)
---
-- The notifications `first` to `last` came over `way` and were committed by `gateway`.
CREATE TABLE journal_accepted (
    first        INTEGER PRIMARY KEY,
    last         BIGINT NOT NULL,
    way          TEXT NOT NULL,
    gateway      TEXT NOT NULL,
    committed_ms BIGINT NOT NULL,
    announced    BOOLEAN NOT NULL
)
