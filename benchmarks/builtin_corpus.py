"""The catalog that the built-in model is trained on.

    python -m benchmarks.builtin_corpus CORPUS JS_FAKES FOLDER

CORPUS is a folder with `manifest.csv` and music by composer; the pieces of tier A for a keyboard,
an organ, or a voice and piano are used (pieces for quartets and ensembles are not: the model writes
no instruments). JS_FAKES is the unpacked archive of the JS Fake Chorales (Peracha 2021), which a
model wrote; their composer is called JS Fakes. FOLDER must be new. It becomes a workspace whose
files have the labels composer, period, ensemble, kind and licence. `musictk/builtin/README.md` has
the command that trains the model in it.
"""

from __future__ import annotations

import csv
import shutil
import sys
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from musictk.jobs.project import Project

CLASSES = {"keyboard": "keyboard", "organ": "organ", "voice+piano": "voice and piano"}
JS_FAKES = "JS_Fakes"
PERIODS = {
    "Renaissance": "Banchieri Monteverdi Titelouze",
    "Baroque": """Arne Bach Buxtehude Froberger Handel Pachelbel Purcell Rameau Roberday Scarlatti
        JS_Fakes""",
    "Classical": """Beethoven Clementi CPE_Bach Dussek Haydn Kuhlau Mozart Paradis Reichardt
        Saint_Georges Schroter Zumsteeg""",
    "Modern": """Bartok Boulanger_Lili Bridge_Frank Burleigh Busoni Butterworth Debussy Delius
        Gurney Prokofiev Quilter Ravel Satie Schoenberg Warlock Webern""",
}  # of all other composers: Romantic
JS_FAKES_LICENCE = "CC-BY-4.0 (JS Fake Chorales, written by a model; Omar Peracha)"
Row = tuple[Path, str, str, str, str]  # file, composer, ensemble, kind, licence


def pieces(corpus: Path) -> Iterator[Row]:
    """The pieces of tier A that are used."""
    with (corpus / "manifest.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["tier"] == "A" and row["class"] in CLASSES:
                ensemble, licence = CLASSES[row["class"]], row["licence"]
                yield corpus / row["path"], row["composer"], ensemble, row["kind"], licence


def chorales(folder: Path) -> Iterator[Row]:
    """The JS Fake Chorales."""
    for path in sorted(folder.glob("*/*.mid")):
        yield path, JS_FAKES, "chorale", "generated", JS_FAKES_LICENCE


def build(rows: Iterable[Row], root: Path) -> int:
    """Copy the music to the new folder `root`, ingest it and label it; returns the files used."""
    period = {name: each for each, names in PERIODS.items() for name in names.split()}
    root.mkdir(parents=True)
    table = root / "labels.csv"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("file", "period", "ensemble", "kind", "licence"))
        for path, composer, *labels in rows:
            copied = root / "music" / composer / f"{path.parent.name}-{path.name}"
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copied)
            name = copied.relative_to(root).as_posix()
            writer.writerow((name, period.get(composer, "Romantic"), *labels))
    with Project(root) as project:
        report = project.ingest(root / "music")
        project.catalog.label_csv(table)
    return report.accepted


if __name__ == "__main__":
    corpus, js_fakes, folder = map(Path, sys.argv[1:])
    print(build(chain(pieces(corpus), chorales(js_fakes)), folder), "files")
