"""`python -m tests.system.other_version FOLDER serve …`: the real program with the migrations in FOLDER.

What lies in FOLDER may change while it runs, as an installation does when it is upgraded.
"""

import sys
from pathlib import Path

from notify_sse.store import schema

if __name__ == "__main__":
    scripts = Path(sys.argv.pop(1))
    schema.scripts = lambda: scripts
    from notify_sse.cli import main

    main()
