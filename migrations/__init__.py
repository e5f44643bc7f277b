"""The log's schema, step by step (Alembic); shipped as `notify_sse.migrations`. Run by `notify_sse.store.migration`."""
