"""Who reads the stream without our client: each tried on the service (`make clients`, docs/reference/clients.md)."""
