CREATE TABLE log (
    id              INTEGER PRIMARY KEY,
    notification_id BLOB NOT NULL,
    channel         BLOB NOT NULL,
    type            TEXT NOT NULL,
    body            BLOB NOT NULL,
    digest          BLOB NOT NULL,
    expires_ms      BIGINT NOT NULL,
    created_ms      BIGINT NOT NULL
)
---
CREATE UNIQUE INDEX log_notification_id ON log (notification_id)
---
-- What a replay reads: one channel, in the order of the log.
CREATE INDEX log_channel ON log (channel, id)
---
-- One row. It is read and written under the one write lock that SQLite has.
CREATE TABLE log_head (
    one      BOOLEAN PRIMARY KEY CHECK (one),
    epoch    TEXT NOT NULL,
    position BIGINT NOT NULL,
    floor    BIGINT NOT NULL
)
