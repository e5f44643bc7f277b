"""The way in: everything that writes the log, on a store and a broker in hand."""
