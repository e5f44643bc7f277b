"""Developers' comparison with other servers: `make bench`."""
