"""One process and its workers."""
