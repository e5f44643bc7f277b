"""What one process knows of revocations: whether a token is revoked is a lookup or two in dictionaries. Pure.

`auth/revocations.py` keeps it up to date; the `Verifier` asks it for every token, and the registry for every stream.
"""

from collections.abc import Iterable
from typing import Protocol

from notify_sse.core.access import RevocationRecord


class HeldToken(Protocol):
    """What has to be known of a token: whose it is, its id, its `jti`, and when it was issued (Unix seconds)."""

    @property
    def subject(self) -> str: ...
    @property
    def token_id(self) -> str: ...
    @property
    def jti(self) -> str | None: ...
    @property
    def issued_at(self) -> float | None: ...


class Revoked:
    """The revocations in force. `known` is False until all of them were read once; then nobody may be let in yet."""

    def __init__(self, *, known: bool = False) -> None:
        self.known = known
        self._records: dict[int, RevocationRecord] = {}
        self._subjects: dict[str, float] = {}
        self._jtis: dict[str, int] = {}
        self._tokens: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._records)

    def refuses(self, token: HeldToken) -> bool:
        """Whether `token` is revoked.

        With its subject, a token is revoked that was issued at the time of the revocation or before, or that does not
        say when. `iat` mostly has whole seconds, rounded down: so one of the very second of the revocation is revoked,
        whichever came first.
        """
        if not self._records and not self._tokens:
            return False
        upto_s = self._subjects.get(token.subject)
        if upto_s is not None and (token.issued_at is None or token.issued_at <= upto_s):
            return True
        return token.token_id in self._tokens or (token.jti is not None and token.jti in self._jtis)

    def hold(self, token_id: str, *, until: float) -> None:
        """One token is revoked until `until` (Unix seconds), whatever the database says of it yet."""
        self._tokens[token_id] = max(until, self._tokens.get(token_id, 0.0))

    def apply(self, records: Iterable[RevocationRecord]) -> list[RevocationRecord]:
        """Take changes in. Returns those that are new and in force."""
        new = []
        for record in records:
            known = self._records.pop(record.id, None)
            if record.undone:
                if known:
                    self._forget(known)
                continue
            self._records[record.id] = record
            self._index(record)
            if known is None:
                new.append(record)
        return new

    def replace(self, records: Iterable[RevocationRecord]) -> None:
        """All that there are, in place of what was known. A token of which only this process knew stays revoked."""
        self._records.clear()
        self._subjects.clear()
        self._jtis.clear()
        self.apply(records)

    def expire(self, now: float, *, longest_s: float) -> None:
        """Forget what no token can be refused by any more. `longest_s`: for how long a token lives at most; 0: nobody
        knows.
        """
        for record in list(self._records.values()):
            until = record.until_ms / 1000 or (record.revoked_ms / 1000 + longest_s if longest_s else now)
            if until < now:
                del self._records[record.id]
                self._forget(record)
        for token_id in [one for one, until in self._tokens.items() if until < now]:
            del self._tokens[token_id]

    def _index(self, record: RevocationRecord) -> None:
        match record.kind:
            case "sub":
                upto_s = record.revoked_ms / 1000
                self._subjects[record.value] = max(upto_s, self._subjects.get(record.value, upto_s))
            case "jti":
                self._jtis[record.value] = record.id
            case "token":
                self.hold(record.value, until=record.until_ms / 1000)

    def _forget(self, gone: RevocationRecord) -> None:
        """Take `gone` out of the index. Another revocation of the same value stays in force."""
        match gone.kind:
            case "sub":
                self._subjects.pop(gone.value, None)
            case "jti":
                self._jtis.pop(gone.value, None)
            case "token":
                self._tokens.pop(gone.value, None)
        for record in self._records.values():
            if (record.kind, record.value) == (gone.kind, gone.value):
                self._index(record)
