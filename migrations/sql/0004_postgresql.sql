-- There already, built CONCURRENTLY, wherever the log is not new. To find a notification whose channel nobody names. A
-- hash index: an append costs less than with a second unique one.
CREATE INDEX IF NOT EXISTS log_by_notification_id ON log USING hash (notification_id)
---
-- A connection: it has written all on its channels between `position` and `closed_position` of the log of `epoch`.
-- `resumed_at` is the position that its client brought, 0 for none. Times are Unix time in ms.
CREATE TABLE journal_connections (
    id              text PRIMARY KEY,
    recipient       bytea NOT NULL,
    gateway         text NOT NULL,
    transport       text NOT NULL,
    address_hash    text NOT NULL,
    topics          text NOT NULL,
    filtered        boolean NOT NULL,
    epoch           text NOT NULL,
    position        bigint NOT NULL,
    resumed_at      bigint NOT NULL,
    opened_ms       bigint NOT NULL,
    closed_position bigint,
    closed_ms       bigint,
    reason          text
)
---
CREATE INDEX journal_connections_recipient ON journal_connections (recipient, opened_ms)
---
CREATE INDEX journal_connections_opened ON journal_connections (opened_ms)
---
-- How far each gateway is, written once a second: its open connections have written all up to `position`, but those
-- `lagging` (JSON: connection id, position). `beat_ms` is by the clock of this database. `lost`: rows that were not kept.
CREATE TABLE journal_gateways (
    gateway  text PRIMARY KEY,
    version  text NOT NULL,
    epoch    text NOT NULL,
    position bigint NOT NULL,
    lagging  text NOT NULL,
    lost     bigint NOT NULL,
    stopped  boolean NOT NULL,
    began_ms bigint NOT NULL,
    beat_ms  bigint NOT NULL
)
---
-- The notifications `first` to `last` came over `way` and were committed by `gateway`.
CREATE TABLE journal_accepted (
    first        bigint PRIMARY KEY,
    last         bigint NOT NULL,
    way          text NOT NULL,
    gateway      text NOT NULL,
    committed_ms bigint NOT NULL,
    announced    boolean NOT NULL
)
