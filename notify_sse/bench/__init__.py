"""`notify-sse bench`: load, measured from the publisher's clock to the client's.

One `controller` drives `worker` processes: some hold cheap SSE clients (`clients/`), one publishes (`publishers/`). All
run on one machine, so that one monotonic clock dates every notification on both sides. `scenarios/` say what happens.
The meter in `report/` reads /proc, and the results are a table, JSON or an HTML file. Only the command imports this
room.
"""
