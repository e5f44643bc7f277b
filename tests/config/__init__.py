"""The settings: what is read, and what cannot stand together."""
