"""Hostile input, made from a seed: `make fuzz` for long, `test_fuzz.py` for short. A watchdog looks on."""
