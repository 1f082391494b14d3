"""Alembic migrations, run by `Catalog.open`."""

# Oldest first; a test compares them with what alembic finds.
REVISIONS = ("0001", "0002", "0003", "0004", "0005", "0006", "0007", "0008", "0009")
HEAD = REVISIONS[-1]
