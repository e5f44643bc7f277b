"""Whether a trace is recorded, found out before a span is made for it: at 1 %, 99 of 100 would be made for nothing.

It says what the sampler of the SDK would say. Where that cannot be known before, the sampler is asked.
"""

from typing import Final

from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler, TraceIdRatioBased

from notify_sse.core.model import TraceContext
from notify_sse.telemetry.otel.context import is_unsampled

NEVER: Final = 0


class TraceIds(RandomIdGenerator):
    """Random ids. That of the next trace may be drawn before its first span is begun, which then takes it."""

    def __init__(self) -> None:
        self._drawn: int | None = None

    def draw(self) -> int:
        """The id of the trace that begins next, unless it is dropped."""
        self._drawn = super().generate_trace_id()
        return self._drawn

    def drop(self) -> None:
        """That trace does not begin."""
        self._drawn = None

    def generate_trace_id(self) -> int:
        drawn, self._drawn = self._drawn, None
        return super().generate_trace_id() if drawn is None else drawn


class HeadSampler:
    """Decides at the head of a trace, with the sampler and the ids of a provider."""

    def __init__(self, sampler: Sampler, ids: IdGenerator) -> None:
        self._follows = isinstance(sampler, ParentBased)
        self._ids = ids if isinstance(ids, TraceIds) else None
        self._bound = _bound_of(getattr(sampler, "_root", None) if self._follows else sampler)

    def leaves_out(self, trace: TraceContext | None) -> bool:
        """Whether a span under `trace` (None: a trace of its own) is certain not to be recorded. Where it is not
        certain, begin it at once: the id of its trace may be drawn already.
        """
        if trace is not None:
            return self._follows and is_unsampled(trace)
        if self._bound is None or self._ids is None:
            return False
        if self._ids.draw() & TraceIdRatioBased.TRACE_ID_LIMIT < self._bound:
            return False
        self._ids.drop()
        return True


def _bound_of(root: Sampler | None) -> int | None:
    """Below which ids a trace that begins here is recorded; None when it does not depend on them alone."""
    if root is ALWAYS_OFF:
        return NEVER
    return root.bound if isinstance(root, TraceIdRatioBased) else None
