"""Lints the JavaScript and checks its types, for `make lint`; says what is wrong, in the tools' own words."""

import sys

from tests.client import node
from tests.support.services import CannotStart


def main() -> int:
    """0 when there is nothing to say."""
    try:
        node.prepared()
        for script in ("lint", "types"):
            node.npm("run", script)
    except CannotStart as exc:
        print(exc, file=sys.stderr)
        return 1
    print("JavaScript: linted, formatted, types checked")
    return 0


if __name__ == "__main__":
    sys.exit(main())
