"""The Catalog: the one interface to every table."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from musictk.catalog.audit import Audit
from musictk.catalog.composers import Composers
from musictk.catalog.database import connect
from musictk.catalog.labels import Labels
from musictk.catalog.listing import Listing
from musictk.catalog.locations import Locations
from musictk.catalog.pieces import Pieces
from musictk.catalog.run_changes import RunChanges
from musictk.catalog.runs import Runs
from musictk.catalog.shards import Shards
from musictk.catalog.summary import Summary


class Catalog(
    Audit, Pieces, Locations, Composers, Listing, Summary, Labels, Shards, Runs, RunChanges
):
    """Composers, files, labels, tokenizers, shards, runs, checkpoints, exports and samples.

    A context manager. Stored paths are relative to `root`, or absolute. Concurrent writers wait for
    each other.
    """

    @classmethod
    def open(
        cls,
        url: str,
        root: Path,
        create: bool = True,
        waiting: Callable[[], None] | None = None,
    ) -> Catalog:
        """Open the catalog at an SQLAlchemy URL; create it or migrate it to head if needed.

        Raises UsageError for a URL that cannot be used, or a file that does not exist and may not
        be created; MusictkError for a database that cannot be opened or was written by a newer
        version. `waiting` is called if a change waits for another process for some seconds.
        """
        return cls(connect(url, create, waiting), root)

    def __enter__(self) -> Catalog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
