"""How often the composer of a piece is recognised: MAESTRO's ten most frequent composers.

    python -m benchmarks.attribute FOLDER [--save]

FOLDER is MAESTRO v3, unpacked (its licence forbids to ship anything made from it; it is only
measured on). Each piece is attributed by a classifier trained on the other four of five folds.
Two ways to keep a composition in one fold:

- by title: pieces of one title, as its table has it, are one composition. This is what the
  published figure does. Many works have several titles there ("Toccata Op. 7" and "Toccata in C
  Major, Opus 7"), or are recorded whole and in movements, so that it leaks;
- by title and music: pieces of one title or one cluster of near-duplicates are one work.

The published figure, .90 for ten composers (.89 in its README), is the macro F1 over recordings, a
recording being attributed by the summed confidence of its chunks; split by title 80:20, once, for
the ten composers with the most titles (the same ten, but for a tie of the tenth).
"""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

from benchmarks.keep import keep
from musictk.errors import MusictkError
from musictk.evaluation.attribution import ClassifierScores, Example, cross_validate
from musictk.evaluation.figures import count_figures
from musictk.jobs.named_music import read_score
from musictk.jobs.project import Project

COMPOSERS = 10


def main() -> None:
    """Count, cross-validate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    started = process_time()
    pieces = list(counted(flags.folder, table(flags.folder)))
    rows = [
        row(f"by {name}", cross_validate([each[name] for each in pieces]))
        for name in ("title", "title and music")
    ]
    rows.append({"composition": "by title, published (80:20, once)", "macro F1": "0.90"})
    for each in rows:
        print(each)
    if flags.save:
        title = f"Composers recognised, MAESTRO v3, its {COMPOSERS} most frequent"
        note = (
            "five folds, a piece attributed whole, macro F1 over recordings of all folds;"
            f" {process_time() - started:.0f} s of one core in all"
        )
        keep("attribute", title, "FOLDER", rows, note)


def table(folder: Path) -> list[Mapping[str, str]]:
    """The rows of MAESTRO's table by the most frequent composers."""
    (path,) = folder.glob("maestro*.csv")
    with path.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    counts = Counter(row["canonical_composer"] for row in rows)
    chosen = {name for name, _ in counts.most_common(COMPOSERS)}
    return [row for row in rows if row["canonical_composer"] in chosen]


def counted(folder: Path, rows: Sequence[Mapping[str, str]]) -> Iterator[dict[str, Example]]:
    """Each piece as an example of both ways to tell works apart."""
    titles = [f"{row['canonical_composer']}: {row['canonical_title']}" for row in rows]
    clusters = near_duplicates(folder)
    works = joined(
        titles,
        [
            clusters.get(Path(row["midi_filename"]).name, title)
            for row, title in zip(rows, titles, strict=True)
        ],
    )
    for row, title, work in zip(rows, titles, works, strict=True):
        try:
            counts = count_figures(read_score(folder / row["midi_filename"]))
        except MusictkError as error:
            print(f"left out: {error}")
            continue
        example = Example(row["canonical_composer"], title, counts)
        yield {"title": example, "title and music": example._replace(work=work)}


def near_duplicates(folder: Path) -> dict[str, str]:
    """The cluster of each file, by its name."""
    with TemporaryDirectory() as place, Project(place) as project:
        project.ingest(folder.absolute())
        return {
            Path(path).name: piece.cluster or piece.sha256
            for piece in project.catalog.pieces()
            for path, _ in piece.locations
        }


def joined(titles: Sequence[str], clusters: Sequence[str]) -> list[str]:
    """A name for each piece, equal where a chain of equal titles and clusters connects two."""
    names = list(titles)
    while True:
        before = list(names)
        for keys in (clusters, titles):
            least: dict[str, str] = {}
            for key, name in zip(keys, names, strict=True):
                least[key] = min(name, least.get(key, name))
            names = [least[key] for key in keys]
        if names == before:
            return names


def row(name: str, found: ClassifierScores) -> dict[str, Any]:
    """One line of the table."""
    return {
        "composition": name,
        "pieces": found.pieces,
        "compositions": found.works,
        "macro F1": f"{found.f1:.2f}",
        "± over folds": f"{found.spread:.2f}",
        "weighted F1": f"{found.weighted_f1:.2f}",
        "pieces right": f"{found.accuracy:.0%}",
    }


if __name__ == "__main__":
    main()
