"""`databases`, with one of its connections for each use.

By itself it keeps one for each task, and a unit of work begins in one task and ends in another (`store/lane.py`).
"""

from databases import Database
from databases.core import Connection


class PerUse(Database):
    """What a unit of work takes its connection from."""

    def connection(self) -> Connection:
        return Connection(self, self._backend)
