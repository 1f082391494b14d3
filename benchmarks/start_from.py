"""What minutes of training from the built-in model are worth, beside more from random weights.

    python -m benchmarks.start_from WORKSPACE PROJECT [--pieces 42] [--save]

WORKSPACE holds the music of the built-in model (`benchmarks.builtin_corpus`). A small corpus of
pieces from its test split, of which the built-in model has seen no version, is ingested in the
folder PROJECT: a sixth of it is the validation split. A run of `--minutes` from the built-in model
and one of `--scratch` minutes from random weights are scored on it, at their best checkpoints. Runs
that PROJECT has already are not trained again.
"""

from __future__ import annotations

import argparse
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from musictk.catalog import Catalog, PieceInfo
from musictk.files import write_bytes
from musictk.jobs.project import Project
from musictk.workspace import Workspace

LEAST = 150  # notes of a piece


def main() -> None:
    """Choose pieces, train twice, compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--pieces", type=int, default=42)
    parser.add_argument("--minutes", type=float, default=3)
    parser.add_argument("--scratch", type=float, default=30)
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    folder = flags.project.absolute()
    with Project(folder) as project:
        if not (folder / "catalog.db").exists():
            copy_pieces(Workspace(flags.workspace.absolute()), folder, flags.pieces)
            project.ingest(folder / "midis", composers=folder / "splits.csv")
        runs = {f"from{flags.minutes:g}": flags.minutes, f"scratch{flags.scratch:g}": flags.scratch}
        made = {run.name for run in project.catalog.runs("finished")}
        for name, minutes in runs.items():
            if name not in made:
                scratch = name.startswith("scratch")
                project.train(name=name, arch="gpt", scratch=scratch, minutes=minutes, threads=1)
        found = rows(project.compare(*runs).plain(), runs)
    for row in found:
        print(row)
    if flags.save:
        title = "Minutes from the built-in model, and from random weights"
        note = (
            f"gpt small on remi; {flags.pieces} pieces that the built-in model has not seen, scored"
            f" on the {flags.pieces // 6} of the validation split, intervals over works; one thread"
        )
        keep("start_from", title, "WORKSPACE PROJECT", found, note)


def copy_pieces(source: Workspace, folder: Path, count: int) -> None:
    """Copy pieces of different works to FOLDER/midis, and write their splits to splits.csv."""
    with Catalog.open(source.catalog_url, source.root, create=False) as catalog:
        pieces = [piece for piece in catalog.pieces("test") if piece.composer]
    copied = []
    for piece in _different(pieces)[:count]:
        path = Path("midis", piece.composer or "", Path(piece.path).name)
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source.resolve(piece.path), folder / path)
        copied.append(path)
    copied.sort()
    random.Random(1).shuffle(copied)
    lines = ["path,composer,split"]
    for place, path in enumerate(copied):
        split = "valid" if place < count // 6 else "test" if place < count // 6 + 2 else "train"
        lines.append(f"{path.as_posix()},{path.parent.name},{split}")
    write_bytes(folder / "splits.csv", ("\n".join(lines) + "\n").encode("utf-8"))


def _different(pieces: Sequence[PieceInfo]) -> list[PieceInfo]:
    """One piece of each cluster in random order, without those that another model wrote."""
    mixed = [piece for piece in pieces if "Fakes" not in (piece.composer or "")]
    random.Random(0).shuffle(mixed)
    long = [piece for piece in mixed if piece.notes >= LEAST]
    by_cluster = {piece.cluster: piece for piece in reversed(long)}
    return [piece for piece in long if by_cluster[piece.cluster] is piece]


def rows(compared: Sequence[dict[str, Any]], minutes: dict[str, float]) -> list[dict[str, Any]]:
    """The table, best first."""
    return [
        {
            "start": "built-in" if each["run"].startswith("from") else "random weights",
            "minutes": minutes[each["run"]],
            "pieces": each["pieces"],
            "nats per token": each["per_token"],
            "nats per note": interval(each["per_note"], each["per_note_95"]),
        }
        for each in compared
    ]


def interval(value: float, bounds: Sequence[float]) -> str:
    """`2.447 [1.878, 2.907]`."""
    return f"{value:.3f} [{bounds[0]:.3f}, {bounds[1]:.3f}]"


if __name__ == "__main__":
    main()
