-- Each of these keeps everybody waiting for as long as it waits itself. Whoever migrates tries again.
SET LOCAL lock_timeout = '2s'
---
DROP INDEX log_identity
---
DROP INDEX log_by_notification_id
---
-- There already, built CONCURRENTLY, wherever the log is not new. The id comes first: then ids that ascend, as those of
-- UUID version 7 do, go to the same page one after the other, and not to a page of each channel.
CREATE UNIQUE INDEX IF NOT EXISTS log_identity_by_id ON log (notification_id, channel)
---
ALTER INDEX log_identity_by_id RENAME TO log_identity
