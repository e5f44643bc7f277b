"""Whether spans are asked for, by OpenTelemetry's own environment variables; and then what makes them.

Off, which is the default, nothing of OpenTelemetry is imported, and every part has None in place of its spans.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from notify_sse.errors import BadConfiguration

if TYPE_CHECKING:
    from notify_sse.telemetry.otel.publishing import PublishSpans
    from notify_sse.telemetry.otel.tracing import Tracing

ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS: Final = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTERS: Final = "OTEL_TRACES_EXPORTER"
DISABLED: Final = "OTEL_SDK_DISABLED"
KNOWN: Final = ("otlp", "console")
PROTOCOL: Final = "http/protobuf"


def exporters_in(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Where spans are to go; nowhere when they are not asked for. Raises `BadConfiguration`, which names the variable.

    They are asked for by an endpoint, or by an exporter that is not `none`. OTEL_SDK_DISABLED wins.
    """
    if environ.get(DISABLED, "").strip().lower() == "true":
        return ()
    named = environ.get(EXPORTERS, "").strip() or _by_endpoint(environ)
    exporters = tuple(dict.fromkeys(name for part in named.split(",") if (name := part.strip().lower())))
    if "none" in exporters:
        return ()
    for name in exporters:
        if name not in KNOWN:
            raise BadConfiguration(f"{EXPORTERS}: must be otlp, console or none, not {name!r}")
    if "otlp" in exporters:
        _check_protocol(environ)
    return exporters


def _by_endpoint(environ: Mapping[str, str]) -> str:
    return "otlp" if any(environ.get(name, "").strip() for name in ENDPOINTS) else ""


def _check_protocol(environ: Mapping[str, str]) -> None:
    for name in PROTOCOLS:
        if protocol := environ.get(name, "").strip():
            if protocol != PROTOCOL:
                raise BadConfiguration(f"{name}: must be {PROTOCOL} (usually port 4318), not {protocol!r}")
            return


def require_what_is_asked_for(environ: Mapping[str, str]) -> None:
    """Raises `BadConfiguration` when spans are asked for and cannot be made."""
    if exporters_in(environ):
        _require_extra(environ)


def open_tracing(environ: Mapping[str, str], *, role: str, system: str, queue: str) -> "Tracing | None":
    """What makes the spans of this process, or None when none are asked for. Raises `BadConfiguration`.

    For the environment of this process: the SDK reads the rest of its variables by itself.
    """
    exporters = exporters_in(environ)
    if not exporters:
        return None
    _require_extra(environ)
    from notify_sse.telemetry.otel.tracing import Tracing  # noqa: PLC0415  needs the extra, and 15 MB

    try:
        return Tracing(exporters, role=role, system=system, queue=queue)
    except (ValueError, OSError) as exc:
        raise BadConfiguration(f"OTEL_…: the OpenTelemetry SDK refuses its settings: {exc}") from exc


def open_publish_spans(*, exchange: str) -> "PublishSpans | None":
    """What makes the spans of a publisher, or None where the application has no OpenTelemetry."""
    try:
        from notify_sse.telemetry.otel.publishing import PublishSpans  # noqa: PLC0415  is it there?
    except ImportError:
        return None
    return PublishSpans(exchange=exchange)


def _require_extra(environ: Mapping[str, str]) -> None:
    try:
        import notify_sse.telemetry.otel.exporting  # noqa: F401, PLC0415  is it there?
    except ImportError as exc:
        asked = next(name for name in (EXPORTERS, *ENDPOINTS) if environ.get(name, "").strip())
        raise BadConfiguration(
            f"{asked}: traces are asked for, and {exc.name or 'OpenTelemetry'} is not installed: "
            "pip install 'notify-sse[otel]', or set OTEL_TRACES_EXPORTER=none"
        ) from exc
