"""Alembic migrations, run by `Catalog.open`."""

REVISIONS = ("0001", "0002", "0006")  # oldest first; a test compares them with what alembic finds
HEAD = REVISIONS[-1]
