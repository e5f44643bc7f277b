"""The door: which requests it takes, what it does with them, and that the others never notice it."""
