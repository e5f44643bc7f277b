"""The id of a notification that came without one."""

import os
import time
from typing import Final

_VARIANTS: Final = "89ab"


def new_id() -> str:
    """A UUID as text that begins with the time, in ms, and is random behind it (RFC 9562, version 7).

    Ids that ascend go to one page of the log's index one after the other; random ones each go to a page of its own. An
    array takes hundreds: so no `UUID` is made.
    """
    moment = f"{time.time_ns() // 1_000_000:012x}"
    digits = os.urandom(10).hex()
    variant = _VARIANTS[int(digits[3], 16) & 3]
    return f"{moment[:8]}-{moment[8:]}-7{digits[:3]}-{variant}{digits[4:7]}-{digits[8:]}"
