"""The names that settings have in the environment, and which of them are secret."""

from typing import Final

PREFIX: Final = "NOTIFY_SSE_"
TEST_PREFIX: Final = "NOTIFY_SSE_TEST_"
COMMAND_VARIABLES: Final = frozenset(("NOTIFY_SSE_TOKEN", "NOTIFY_SSE_URL"))
"""Options of client commands that have a variable of their own; not settings of the service."""
SECRETS: Final = frozenset(("jwt_secret",))
MIN_SECRET_BYTES: Final = 32


def variable(field: str) -> str:
    """The environment variable of `field`."""
    return PREFIX + field.upper()
