-- As of the gateway's beat: how many streams it has open, how many events the log has that its tail has not, and what it
-- tells of itself besides (JSON). Programs of the version before leave all three as they are here.
ALTER TABLE journal_gateways ADD COLUMN streams bigint NOT NULL DEFAULT 0
---
ALTER TABLE journal_gateways ADD COLUMN lag bigint NOT NULL DEFAULT 0
---
ALTER TABLE journal_gateways ADD COLUMN report text NOT NULL DEFAULT '{}'
