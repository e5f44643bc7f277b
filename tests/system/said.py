"""What a service said in its log at WARNING or above: once, not over and over."""

import re
from collections import Counter

from tests.support.service import Service

_LINE = re.compile(r"^\S+ (WARNING|ERROR|CRITICAL) (\S+): (.*)$")
_VARIABLE = re.compile(r" (error|outage_s|position|url)=.*")


def complaints(service: Service, *, start: int = 0) -> Counter[str]:
    """Each complaint from line `start` of the log on, without what varies, and how often it was said."""
    lines = service.logged().splitlines()[start:]
    found = [match for line in lines if (match := _LINE.match(line))]
    return Counter(f"{match[2]}: {_VARIABLE.sub('', match[3])}" for match in found)


def length(service: Service) -> int:
    """How many lines its log has now."""
    return len(service.logged().splitlines())
