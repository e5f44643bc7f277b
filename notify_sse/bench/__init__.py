"""`notify-sse bench`: load, measured from the publisher's clock to the client's.

One controller (`field`) drives processes of its own (`worker`): crowds of cheap SSE clients (`crowd`, `client`) and one
publisher (`publishing`). All run on one machine, so that one monotonic clock dates every notification on both sides.
`scenarios` say what happens, `meter` reads /proc, `results` and `page` show it. Loaded only by that command; nothing of
the service imports it.
"""
