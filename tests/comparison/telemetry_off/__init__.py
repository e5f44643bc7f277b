"""On PYTHONPATH, it takes the metrics out of a service: one side of `tests.comparison.telemetry`."""
