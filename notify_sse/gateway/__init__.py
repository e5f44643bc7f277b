"""The way out: from the log to every open stream. It knows nothing of how things get into the log."""
