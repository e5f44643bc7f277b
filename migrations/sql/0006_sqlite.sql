-- A silent notification does not count as unread.
ALTER TABLE log ADD COLUMN silent BOOLEAN NOT NULL DEFAULT 0
---
-- Not 0: whoever holds the body of this id, on the same channel, drops it.
ALTER TABLE log ADD COLUMN erases BIGINT NOT NULL DEFAULT 0
---
-- Up to where a recipient has read everything, but for the exceptions in read_mark.
CREATE TABLE read_state (
    channel BLOB PRIMARY KEY,
    upto    BIGINT NOT NULL
)
---
-- Exceptions: above `upto` what is read, at or below it what is not.
CREATE TABLE read_mark (
    channel BLOB NOT NULL,
    id      BIGINT NOT NULL,
    PRIMARY KEY (channel, id)
)
---
-- What retention forgets together with the events.
CREATE INDEX read_mark_id ON read_mark (id)
