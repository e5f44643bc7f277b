"""Clients that are not ours (curl, httpx-sse, npm eventsource, Chromium), and the examples of the docs."""
