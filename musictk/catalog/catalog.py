"""The Catalog: one door to every table."""

from __future__ import annotations

from pathlib import Path

from musictk.catalog.audit import Audit
from musictk.catalog.database import connect
from musictk.catalog.labels import Labels
from musictk.catalog.pieces import Pieces
from musictk.catalog.queries import Queries
from musictk.catalog.runs import Runs
from musictk.catalog.shards import Shards


class Catalog(Audit, Pieces, Queries, Labels, Shards, Runs):
    """Composers, files, labels, tokenizers, shards, runs and what they made. The only home of SQL.

    Used as a context manager. Paths in it are relative to `root`. A second writer waits.
    """

    @classmethod
    def open(cls, url: str, root: Path) -> Catalog:
        """Open the catalog at an SQLAlchemy URL, made or migrated to the newest form if needed."""
        return cls(connect(url), root)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
