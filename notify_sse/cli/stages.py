"""How fast a service is, stage by stage, out of its own metrics: for `doctor`."""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from notify_sse.core.ports import Finding

SHARE: Final = 0.95
SLOW_S: Final = 0.1
"""Beyond it the alert NotifySseDeliverySlow fires."""
DELIVERY: Final = "notify_sse_delivery_seconds"
APPEND: Final = "notify_sse_append_seconds"
INFINITE: Final = float("inf")


def delivery(exposition: str) -> Iterator[Finding]:
    """Within which time most deliveries were made since the service began, and most commits. Nothing without any."""
    counts = _counts(exposition)
    committed, published, append = (
        _within_s(counts.get(name, {})) for name in (f"{DELIVERY} committed", f"{DELIVERY} published", APPEND)
    )
    if committed is None:
        return
    detail = (
        f"since its start, {SHARE:.0%} were written {_said(committed)} of the commit and {_said(published)} of being "
        f"published; commits took {_said(append)}"
    )
    if committed <= SLOW_S:
        yield Finding("delivery", "ok", detail)
    else:
        advice = "a slow commit is the database; otherwise the event loop, or slow readers: dashboard *delivery*"
        yield Finding("delivery", "warning", detail, advice)


def _counts(exposition: str) -> dict[str, dict[float, float]]:
    """By metric, and `since` where it has one: how many took at most so long."""
    found: dict[str, dict[float, float]] = {}
    for family in text_string_to_metric_families(exposition):
        if family.name in (DELIVERY, APPEND):
            for sample in family.samples:
                if sample.name.endswith("_bucket"):
                    name = " ".join(filter(None, (family.name, sample.labels.get("since"))))
                    found.setdefault(name, {})[float(sample.labels["le"])] = sample.value
    return found


def _within_s(counts: Mapping[float, float]) -> float | None:
    """The least bound that holds for `SHARE` of them; None when there are none."""
    total = counts.get(INFINITE, 0.0)
    return min((bound for bound, count in counts.items() if count >= SHARE * total), default=None) if total else None


def _said(bound_s: float | None) -> str:
    if bound_s is None:
        return "within an unknown time"
    return "later than is measured" if bound_s == INFINITE else f"within {bound_s * 1000:g} ms"
