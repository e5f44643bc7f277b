"""How many files a process may open. Every stream is one."""

import contextlib
import resource
import sys
from typing import Final

UNLIMITED: Final = sys.maxsize
MACOS_MOST: Final = 10_240
"""macOS says that a process may have files without end, and refuses to be asked for more than this (OPEN_MAX)."""


def file_limit() -> int | None:
    """How many this process may have open now; None: any number."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if soft == resource.RLIM_INFINITY else soft


def raise_file_limit() -> int:
    """Raise this process's limit to the most that it may have, if it lets us; returns what it is then. Its children
    inherit it.

    The usual soft limit of 1024 is for programs that use select(); we do not. It is a nicety: where it is refused, the
    service runs with fewer streams.
    """
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    for wanted in (most, MACOS_MOST):
        if wanted != resource.RLIM_INFINITY and (soft == resource.RLIM_INFINITY or wanted <= soft):
            break
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
            soft = wanted
            break
    return UNLIMITED if soft == resource.RLIM_INFINITY else soft
