"""What `ingest` reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from musictk.ingest.name_report import NameReport


@dataclass
class IngestReport:
    """Counts of files, by result."""

    accepted: int = 0
    unchanged: int = 0
    missing: int = 0  # known locations under the given folders that no longer exist
    rejected: Counter[str] = field(default_factory=Counter)  # by reason
    repaired: int = 0
    composers: list[str] = field(default_factory=list)  # of the accepted files, by name
    names: NameReport = field(default_factory=NameReport)  # where composers and splits come from
    reassigned: int = 0  # known files that `composer` or `composers` give another composer
    kept: list[str] = field(default_factory=list)  # places of files that keep another composer
    unknown: list[str] = field(default_factory=list)  # rows of `composers` that match no file
    seconds: float = 0.0

    def to_dict(self) -> dict[str, Any]:
        return vars(self) | {"rejected": dict(self.rejected), "names": self.names.to_dict()}
