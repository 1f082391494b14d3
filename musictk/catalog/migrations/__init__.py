"""Alembic migrations, run by `Catalog.open`."""

HEAD = "0002"  # the newest revision; a test compares it with what alembic finds
