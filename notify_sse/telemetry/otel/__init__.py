"""Spans for OpenTelemetry: the only code that imports it. It needs the extra `notify-sse[otel]`."""
