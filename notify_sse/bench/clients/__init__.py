"""The clients of a load test: many streams in a few processes."""
