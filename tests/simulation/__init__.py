"""A deterministic simulation of the core: `python -m tests.simulation --help`."""
