"""Seeded bugs in revocations and tickets. No client of the simulation has a token: their own tests see them."""

from typing import Final

from tests.mutants.planting import Change, Mutant


def _bug(name: str, defence: str, where: str, old: str, new: str) -> Mutant:
    return Mutant(name, 0, defence, (Change(f"notify_sse.auth.{where}", old, new),), simulated=False)


BUGS: Final = (
    _bug(
        "token of the revocation's second",
        "a token of the very second of its subject's revocation is revoked",
        "revoked:Revoked.refuses",
        "token.issued_at <= upto_s",
        "token.issued_at < upto_s",
    ),
    _bug(
        "token without a time",
        "a token that does not say when it was issued is revoked with its subject",
        "revoked:Revoked.refuses",
        "(token.issued_at is None or token.issued_at <= upto_s)",
        "token.issued_at is not None and token.issued_at <= upto_s",
    ),
    _bug(
        "an undo undoes all",
        "another revocation of the same value stays in force",
        "revoked:Revoked._forget",
        "for record in self._records.values():",
        "for record in ():",
    ),
    _bug(
        "the earlier of two revocations",
        "of two revocations of a subject the later one holds",
        "revoked:Revoked._index",
        "max(upto_s, self._subjects.get(record.value, upto_s))",
        "min(upto_s, self._subjects.get(record.value, upto_s))",
    ),
    _bug(
        "signed out until the next reading",
        "a token of whose end only this process knows stays revoked when all is read anew",
        "revoked:Revoked.replace",
        "self._jtis.clear()",
        "self._jtis.clear(); self._tokens.clear()",
    ),
    _bug(
        "an older copy believed",
        "a database that went back is read from its beginning",
        "revocations:Revocations.read",
        "if changes.newest < after:",
        "if False:",
    ),
    _bug(
        "the end of a session written once",
        "what could not be written is written when the database is back",
        "revocations:Revocations._write",
        "record = await self._records.revoke(self._unwritten[0], change=None)\n        self._unwritten.popleft()",
        "record = await self._records.revoke(self._unwritten.popleft(), change=None)",
    ),
    _bug(
        "hints only",
        "each process reads the revocations by itself, too",
        "revocations:Revocations.run",
        "async with asyncio.timeout(POLL_S - LEAST_PAUSE_S):",
        "if True:",
    ),
    _bug(
        "a ticket in clear",
        "the database has the hash of a ticket only",
        "tickets:Tickets.issue",
        "_hash(ticket)",
        "ticket.encode()",
    ),
    _bug(
        "a ticket beyond its token",
        "a ticket ends with its token",
        "tickets:Tickets.issue",
        "min(TTL_S, grant.expires_at - now)",
        "TTL_S",
    ),
    _bug(
        "anything may be a ticket",
        "what has not the shape of a ticket costs no query",
        "tickets:Tickets.redeem",
        "if not _SHAPE.fullmatch(ticket):",
        "if False:",
    ),
)
