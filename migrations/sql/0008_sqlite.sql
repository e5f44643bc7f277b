DROP INDEX log_by_notification_id
---
DROP INDEX log_identity
---
-- By the name that programs of the version before know.
CREATE UNIQUE INDEX log_identity ON log (notification_id, channel)
