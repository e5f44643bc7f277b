"""The documentation says what the code does, and the house is as it is drawn."""
