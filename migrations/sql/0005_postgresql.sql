ALTER TABLE notify_sse_schema ADD COLUMN compatible_from varchar(32)
---
-- For which revision `compatible_from` was written: it says nothing of another one.
ALTER TABLE notify_sse_schema ADD COLUMN compatible_for varchar(32)
---
-- At most one row: how far streams are rolled out, as JSON. Without it, the settings decide.
CREATE TABLE rollout (
    one        boolean PRIMARY KEY CHECK (one),
    document   text NOT NULL,
    changed_ms bigint NOT NULL
)
