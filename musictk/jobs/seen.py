"""The pieces that a run was trained on: its own, and those of the run that it started from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from musictk import builtin
from musictk.builtin.training import training_sketches
from musictk.catalog import Catalog, FileSketch, PieceInfo
from musictk.catalog.leaks import find_leaks
from musictk.jobs.sources import settings_of


def seen_pieces(catalog: Catalog, run: str, pieces: Mapping[int, PieceInfo]) -> set[int]:
    """Those of `pieces` that a run, or one it was fine-tuned from, was trained on.

    Near-duplicates of these pieces count as seen, too, also of pieces that have left the catalog.
    Raises MusictkError if the sketches of the built-in models' training pieces are damaged.
    """
    files: set[int] = set()
    name: str | None = run
    while name is not None:
        config = settings_of(catalog, name)
        if name in builtin.MODELS:
            files |= seen_by_builtin(catalog)
        else:
            spans = catalog.spans_at(config.shards.get("train", ""))
            files |= {span.file_id for span in spans if not span.skipped}
        name = config.start
    if files - pieces.keys():  # some may be missing, and so in no cluster
        gone = [each for each in catalog.sketches("missing") if each.file_id in files]
        files |= _near_duplicates(catalog, gone)
    clusters = {piece.cluster for piece in pieces.values() if piece.id in files} - {None}
    return files | {piece.id for piece in pieces.values() if piece.cluster in clusters}


def count_seen_valid(catalog: Catalog, run: str | None, pieces: Mapping[int, PieceInfo]) -> int:
    """How many of `pieces` are in the split valid and known to a run; 0 for None."""
    if run is None:
        return 0
    seen = seen_pieces(catalog, run, pieces)
    return sum(pieces[file].split == "valid" for file in seen & pieces.keys())


def seen_by_builtin(catalog: Catalog) -> set[int]:
    """The files that are near-duplicates of pieces that the built-in models were trained on."""
    trained = [
        FileSketch(file_id=-1, sha256="", kind="midi", data=sketch, split="train")
        for sketch in training_sketches()
    ]
    return _near_duplicates(catalog, trained)


def _near_duplicates(catalog: Catalog, trained: Sequence[FileSketch]) -> set[int]:
    """The accepted files that are near-duplicates of others."""
    if not trained:
        return set()
    theirs = [replace(sketch, file_id=-1, split="train") for sketch in trained]
    ours = [replace(sketch, split="") for sketch in catalog.sketches()]
    pairs = find_leaks([*theirs, *ours])
    return {sketch.file_id for pair in pairs for sketch in pair} - {-1}
