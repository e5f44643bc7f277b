"""The whole service with real servers: outages, kills, drains, the way of one notification."""
