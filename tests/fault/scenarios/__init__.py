"""Single scenarios with figures. Each has a `run(…)` that returns a `Finding`, and a small form in the test suite."""
