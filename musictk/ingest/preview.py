"""Preview an ingest: how composers and splits are found, without reading or writing any music."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from musictk.catalog.typed_paths import typed_place
from musictk.ingest.attribution import Attributions, FileAttribution, Given
from musictk.ingest.collect import IngestOptions
from musictk.ingest.find import FoundFile, find
from musictk.ingest.name_report import NameReport


@dataclass
class ComposerPreview:
    """The files by one composer."""

    files: int = 0
    example: str = ""  # path of the first file
    sources: Counter[str] = field(default_factory=Counter)  # see `FileAttribution.source`


@dataclass
class Preview:
    """How the names of files are read."""

    names: NameReport = field(default_factory=NameReport)
    composers: dict[str, ComposerPreview] = field(default_factory=dict)
    without: ComposerPreview = field(default_factory=ComposerPreview)

    def add(self, path: str, named: FileAttribution) -> None:
        self.names.add(named)
        entry = self.without
        if named.composer:
            entry = self.composers.setdefault(named.composer, ComposerPreview())
            entry.sources[named.source] += 1
        entry.files += 1
        entry.example = entry.example or path

    def to_dict(self) -> dict[str, Any]:
        """As JSON-able values."""
        rows = [
            {
                "composer": name,
                "files": entry.files,
                "example": entry.example,
                "from": sorted(entry.sources),
            }
            for name, entry in sorted(self.composers.items())
        ]
        example = self.without.example or None
        return {"composers": rows, "example_without": example, **self.names.to_dict()}


def preview_names(paths: Sequence[Path], options: IngestOptions) -> Preview:
    """How `ingest` would read the names of these files.

    Reads names, tables and the lists of archives. Raises what `ingest` does for the same paths.
    """
    found_files = [
        file
        for file in {file.place: file for file in find(paths)}.values()
        if file.kind != "text" or options.text or file.named
    ]
    given = Given(options.composer, options.composers)
    attributions = Attributions(found_files, given=given, limits=options.limits)
    result = Preview()
    for file, member in attributions.entries:
        result.add(_shown(file, member), attributions.of(file, member))
    result.names.tables = attributions.tables
    return result


def _shown(file: FoundFile, member: str) -> str:
    path = "/".join((file.root.name, *file.below)) if file.root.name else file.place
    return typed_place(path, member)
