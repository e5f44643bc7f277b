"""Who asks, and what they may do: where a request carries its token, the keys that verify it, and what it grants.

The room `web` asks `Verifier.authenticate(scope)` for a `Grant`, and never sees a key. The commands make tokens with
`mint`. Whatever is wrong with a token, the answer is `Unauthorized`. This room must never log or show a token.
"""

from notify_sse.auth.credentials import CHANGING, PUBLISHING, READING, Credentials, credentials
from notify_sse.auth.grant import ADMIN, PUBLISH, READ, Grant
from notify_sse.auth.keys import signing_secret
from notify_sse.auth.minting import mint
from notify_sse.auth.verifier import Verifier, check_token

__all__ = [
    "ADMIN",
    "CHANGING",
    "PUBLISH",
    "PUBLISHING",
    "READ",
    "READING",
    "Credentials",
    "Grant",
    "Verifier",
    "check_token",
    "credentials",
    "mint",
    "signing_secret",
]
