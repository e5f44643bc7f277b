"""The rules: pure, with randomised tests against simple models."""
