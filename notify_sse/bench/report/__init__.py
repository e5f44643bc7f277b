"""The report: what was measured, and how it is shown."""
