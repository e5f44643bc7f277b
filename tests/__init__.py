"""The tests, in the rooms of what they test; what rooms share is in `support`."""
