"""The `Store` port on Postgres."""
