"""The promises of the `Store` port, on both adapters, and what only Postgres can do to us."""
