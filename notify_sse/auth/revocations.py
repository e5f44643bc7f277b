"""Revocations: ends the streams of a token that is good no more, in every process.

Used by whatever takes a token back, such as the end of a session. Knows no stream: who ends them is given as a
callable.
"""

from collections.abc import Callable

from notify_sse.core.model import Revocation


class Revocations:
    """`end_here` ends the streams of a token in this process; `tell_others` takes the message to the other processes
    (None: there are none). Neither may block or raise.
    """

    def __init__(self, *, end_here: Callable[[str], None], tell_others: Callable[[bytes], None] | None) -> None:
        self._end_here = end_here
        self._tell_others = tell_others

    def revoke(self, token_id: str) -> None:
        """End every stream that was opened with this token. Returns at once.

        Nothing repairs what does not reach another process, unlike what is told of the log: there the streams end with
        their token (docs/adr/0005-broker.md).
        """
        self._end_here(token_id)
        if self._tell_others is not None:
            self._tell_others(Revocation(token_id).encode())
