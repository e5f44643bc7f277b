"""What happens to a target: one function for each scenario."""
