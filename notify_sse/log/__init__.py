"""The way in: everything that writes the log. It knows nothing of streams."""
