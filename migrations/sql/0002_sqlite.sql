CREATE UNIQUE INDEX log_identity ON log (channel, notification_id)
---
DROP INDEX log_notification_id
