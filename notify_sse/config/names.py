"""The names that settings have in the environment, and which of them are secret."""

from typing import Final

PREFIX: Final = "NOTIFY_SSE_"
TEST_PREFIX: Final = "NOTIFY_SSE_TEST_"
COMMAND_VARIABLES: Final = frozenset(("NOTIFY_SSE_TOKEN", "NOTIFY_SSE_URL"))
"""Options of client commands that have a variable of their own; not settings of the service."""
SECRETS: Final = frozenset(("jwt_secret", "jwt_secret_previous"))
FILE_SUFFIX: Final = "_FILE"
IN_FILES: Final = SECRETS | {"database_url", "broker_url", "broker_management_url"}
"""Settings that are secret, or hold a password. A variable of their name and `FILE_SUFFIX` may name a file with the
value, as orchestrators give secrets.
"""
LISTS: Final = frozenset(("cors_origins", "public_origins", "rollout_allow", "rollout_deny", "trusted_proxies"))
RECIPIENTS: Final = frozenset(("rollout_allow", "rollout_deny"))
MIN_SECRET_BYTES: Final = 32
MIN_SECRET_VARIETY: Final = 8
"""Different characters. 32 random hexadecimal digits have fewer once in ten million times."""
KNOWN_SECRETS: Final = frozenset(("known-to-everybody-for-one-machine-only",))
"""From files of ours that others copy. Good for one machine, and for nothing that others can reach."""


def variable(field: str) -> str:
    """The environment variable of `field`."""
    return PREFIX + field.upper()
