"""The rules, pure: no I/O, no clock. What a notification, a cursor, the tail and a stream are, and the ports."""
