"""The scenarios: what happens to a target, one function for each."""
