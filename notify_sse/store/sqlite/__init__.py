"""The `Store` port on an SQLite file: the embedded default."""
