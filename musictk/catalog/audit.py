"""Integrity checks, digest and export of the catalog."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from musictk.catalog.chunks import chunks
from musictk.catalog.columns import unreadable
from musictk.catalog.describing import Description, describe
from musictk.catalog.models import (
    Checkpoint,
    Export,
    File,
    Location,
    Run,
    Sample,
    ShardRow,
    SpanRow,
)
from musictk.catalog.names import load_path
from musictk.catalog.pieces import Pieces
from musictk.catalog.typed_paths import typed, typed_place
from musictk.files import cause, write_bytes

_RESTORE = "restore the catalog from a copy, or correct that value in it"
_IDENTITY = ("id", "path", "member")  # may differ for the same music


class Audit(Pieces):
    """Check a catalog, compare it with another, export it."""

    def check(self) -> list[dict[str, str]]:
        """Every fault found, as {what, where, hint}; empty if no problems were found.

        Checks that values match their column types; that files exist and have the recorded SHA-256;
        that neither a cluster nor a pair of near-duplicates is in two splits; that spans are inside
        their shards; that shards, checkpoints and exports exist.
        """
        from musictk.catalog.row_checks import unreadable_rows  # numpy: for this check alone

        with self.reading() as session:
            faults = [_fault(what, where, _RESTORE) for what, where in unreadable_rows(session)]
            columns = (Location.path, Location.member, Location.file_id, File.sha256)
            places = session.execute(
                select(*columns).join(File).where(File.sha256.is_not(None))
            ).all()
            faults += self._files(places)
            clusters: dict[str, set[str]] = defaultdict(set)
            query = select(File.cluster, File.split).where(File.status == "accepted").distinct()
            for cluster, split in session.execute(query):
                clusters[cluster or "none"].add(split or "none")
            for cluster, splits in clusters.items():
                if cluster == "none" or "none" in splits:
                    faults.append(_fault("files without a split", cluster, "run ingest again"))
                if len(splits - {"none"}) > 1:
                    faults.append(
                        _fault("a cluster in two splits", cluster, "run: musictk catalog split")
                    )
            for shard in session.scalars(select(ShardRow)):
                spans = list(session.scalars(select(SpanRow).where(SpanRow.shard_id == shard.id)))
                faults += self._shard(shard, spans)
            kept = [
                *(("checkpoint", row.path) for row in session.scalars(select(Checkpoint))),
                *(("export", row.path) for row in session.scalars(select(Export))),
            ]
        faults += self._leaks()
        faults += [
            _fault(f"{what} is missing", path, "run the command that wrote it again")
            for what, path in kept
            if not self._at(path).exists()
        ]
        unreadable.take()  # every one is among the faults
        return faults

    def digest(self) -> str:
        """SHA-256 over everything ingest recorded, independent of the order of files."""
        with self.reading() as session:
            lines = sorted(
                json.dumps(
                    {key: value for key, value in facts.items() if key not in _IDENTITY}
                    | {"places": places},
                    sort_keys=True,
                )
                for facts, places in _every_file(session)
            )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

    def export(self, path: Path) -> int:
        """Write files with their places, runs and what they made as JSON lines to `path`.

        Returns the number of lines. What ingest can compute again, such as spans and sketches, is
        left out.
        """
        with self.reading() as session:
            rows: list[dict[str, Any]] = [
                {"table": "files"} | facts | {"places": places}
                for facts, places in _every_file(session)
            ]
            for table in (Run, Checkpoint, Export, Sample, ShardRow):
                name = table.__tablename__
                rows += [{"table": name} | row.to_dict() for row in session.scalars(select(table))]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        write_bytes(path, text.encode("utf-8", "replace"))
        return len(rows)

    def _at(self, stored: str) -> Path:
        return self.root / load_path(stored)

    def _files(self, places: Sequence[Any]) -> list[dict[str, str]]:
        there = {place.path: self._at(place.path) for place in places}
        there = {stored: path for stored, path in there.items() if path.is_file()}
        living = {place.file_id: place for place in places if place.path in there}
        faults = []
        for place in places:
            if place.path not in there:
                known = living.get(place.file_id)
                hint = self._moved(known) if known is not None else self._lost(place)
                faults.append(_fault("a file is missing", place.path, hint))
            elif not place.member:
                faults += self._content(place, there[place.path])
        return faults

    def _content(self, place: Any, path: Path) -> list[dict[str, str]]:
        """The fault of a file that is not what was read; [] if it is."""
        try:
            changed = _sha256(path) != place.sha256
        except OSError as error:
            hint = "make it readable, or move it away"
            return [_fault(f"a file cannot be read: {cause(error)}", place.path, hint)]
        hint = f"run: musictk ingest {typed(path)}"
        return [_fault("a file has changed", place.path, hint)] if changed else []

    def _moved(self, living: Any) -> str:
        """How to drop a location that no longer exists of a file that has another one."""
        path = self._at(living.path)
        return f"run: musictk ingest {typed(path if living.member else path.parent)}"

    def _lost(self, place: Any) -> str:
        """How to find a file again, or to drop it, whose locations all do not exist."""
        folder = next(each for each in self._at(place.path).parents if each.is_dir())
        return (
            "run: musictk ingest FOLDER, with the folder that it is in now;"
            f" if it was deleted: musictk ingest {typed(folder)}"
        )

    def _leaks(self) -> list[dict[str, str]]:
        """Near-duplicates in two splits: the model would be scored on music it was trained on."""
        from musictk.catalog.leaks import find_leaks

        pairs = find_leaks(self.sketches())
        names = self._names({sketch.file_id for pair in pairs for sketch in pair})
        return [
            _fault(
                "near-duplicates in two splits",
                " and ".join(f"{names[each.file_id]} ({each.split})" for each in pair),
                "run: musictk catalog split",
            )
            for pair in pairs
        ]

    def _names(self, ids: set[int]) -> dict[int, str]:
        """The path of each file, or its id where it has none."""
        names = {file_id: f"file {file_id}" for file_id in ids}
        with self.reading() as session:
            for chunk in chunks(sorted(ids)):
                for found in session.scalars(select(Location).where(Location.file_id.in_(chunk))):
                    if found.file_id is not None:
                        names[found.file_id] = typed_place(found.path, found.member)
        return names

    def _shard(self, shard: ShardRow, spans: list[SpanRow]) -> list[dict[str, str]]:
        hint = "tokenize again"
        if not self._at(shard.path).is_file():
            return [_fault("a shard is missing", shard.path, hint)]
        if any(span.offset < 0 or span.offset + span.length > shard.length for span in spans):
            return [_fault("a span is outside its shard", shard.path, hint)]
        return []


def _every_file(session: Session) -> Iterator[Description]:
    """All files by id; only a few are in memory at a time."""
    return describe(session, session.scalars(select(File.id).order_by(File.id)).all())


def _fault(what: str, where: str, hint: str) -> dict[str, str]:
    return {"what": what, "where": where, "hint": hint}


def _sha256(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
