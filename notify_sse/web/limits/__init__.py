"""How much of the service one client may have: rates, connections, bytes under way."""
