"""The browser client in real browsers, against the real service behind a proxy that can be told to misbehave."""
