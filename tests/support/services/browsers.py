"""Chromium for the browser tests: where it is, and how to start it on a machine without a network."""

import os
from typing import NamedTuple

from tests.support.services.packages import CHROMIUM_NAMES, ensure, executable

ARGUMENTS = (
    "--disable-background-networking",  # it would look up its maker's hosts at every start
    "--disable-component-update",
    "--disable-gpu",
    "--disable-quic",
    "--disable-sync",
    "--no-first-run",
)


class Chromium(NamedTuple):
    """An installed Chromium: `playwright.chromium.launch(executable_path=…, args=…)`."""

    executable_path: str
    arguments: tuple[str, ...]


def chromium() -> Chromium:
    """The installed Chromium."""
    ensure("chromium")
    path = executable(*CHROMIUM_NAMES)
    # Chromium's sandbox does not work for root.
    return Chromium(path, (*ARGUMENTS, "--no-sandbox") if os.geteuid() == 0 else ARGUMENTS)
