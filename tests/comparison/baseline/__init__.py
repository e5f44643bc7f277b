"""The usual way to write such a service in Python, as its libraries' documentation shows it.

Starlette, sse-starlette's stock EventSourceResponse fed from an asyncio.Queue per client, aio-pika with an exclusive
queue per client bound on the recipient's key, a database insert per message, on Hypercorn with uvloop. Same path, same
token check as notify-sse. It promises nothing: no order between queue and database, no replay, a slow client fills its
queue. Only the load tool drives it.
"""
