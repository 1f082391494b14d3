"""Report how composers and splits were found, and what looks wrong."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from musictk.ingest.attribution import FileAttribution, TableReport

_MANY = 200  # files by one composer alone that make the result suspicious


@dataclass
class NameReport:
    """Files by composer and by where the composers and the official splits come from."""

    composers: Counter[str] = field(default_factory=Counter)
    sources: Counter[str] = field(default_factory=Counter)  # "folder", "file name", or a table
    without: int = 0  # files without a composer
    splits: Counter[str] = field(default_factory=Counter)  # official
    split_sources: Counter[str] = field(default_factory=Counter)
    moved: int = 0  # files in another split than their official one
    # Files that lost their official split to one that had none, by that one.
    taken: dict[str, int] = field(default_factory=dict)
    tables: TableReport = field(default_factory=TableReport)

    def add(self, named: FileAttribution) -> None:
        """Count one file."""
        if named.composer:
            self.composers[named.composer] += 1
            self.sources[named.source] += 1
        else:
            self.without += 1
        if named.split:
            self.splits[named.split] += 1
            self.split_sources[named.split_source] += 1

    @property
    def files(self) -> int:
        return self.composers.total() + self.without

    def suspicion(self) -> str | None:
        """What looks wrong about the composers; None for nothing."""
        if not self.files or self.sources["--composer"]:
            return None
        if not self.composers:
            return "no composers found"
        if len(self.composers) == 1 and self.composers.total() > _MANY:
            (name,) = self.composers
            return f"{name!r} is the composer of all {self.composers.total():,} files"
        if 2 * self.without > self.files:
            return f"{self.without:,} of {self.files:,} files have no composer"
        return None

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        return {
            "sources": dict(self.sources),
            "without": self.without,
            "splits": dict(self.splits),
            "split_sources": dict(self.split_sources),
            "moved": self.moved,
            "taken": dict(self.taken),
            "tables": dict(self.tables.used),
            "bad_tables": self.tables.bad,
            "unknown_splits": dict(self.tables.unknown_splits),
        }
