"""Requests that are answered at once: publish, history, session, operations."""
