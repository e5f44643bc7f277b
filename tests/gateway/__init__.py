"""The way out: from the log to every open stream, on a store in hand."""
