-- As of the gateway's beat: how many streams it has open, and how many events the log has that its tail has not. Programs of
-- the version before leave both at 0.
ALTER TABLE journal_gateways ADD COLUMN streams bigint NOT NULL DEFAULT 0
---
ALTER TABLE journal_gateways ADD COLUMN lag bigint NOT NULL DEFAULT 0
