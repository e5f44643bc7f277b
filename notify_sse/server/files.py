"""How many files a process may open. Every stream is one."""

import resource


def raise_file_limit() -> int:
    """Raise this process's limit to the most that it may have; returns that. Its children inherit it.

    The usual soft limit of 1024 is for programs that use select(); we do not.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most
