"""Seeded bugs: the defences taken out one by one, to see that the tests notice. `python -m tests.mutants --help`."""
