"""Write the built-in model from a finished run: `musictk/builtin`.

    python -m benchmarks.builtin_model WORKSPACE RUN [--folder FOLDER]

WORKSPACE is that of `benchmarks.builtin_corpus`. It writes the best checkpoint in half precision,
its ONNX export with int8 weights (checked on validation music), the sketches of the training
pieces, the hashes for `sample --original`, and the model card.
"""

from __future__ import annotations

import argparse
import shutil
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from musictk import builtin
from musictk.builtin.training import write_training_sketches
from musictk.catalog import Catalog, PieceInfo
from musictk.evaluation.reference import FILE
from musictk.export import ExportReport, export_onnx
from musictk.files import write_bytes
from musictk.jobs.bundles import best_of
from musictk.jobs.corpus import Corpus
from musictk.jobs.export import excerpts
from musictk.jobs.originality import write_training_reference
from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.workspace import Workspace, here

TEXT = Path(__file__).with_name("builtin_model.md")  # the model card, with {fields}
SOURCES = "SOURCES.md"
# Defaults of the model's options: at a lower temperature it repeats single notes (docs/log.md).
SAMPLING = {"temperature": 1.0, "top_p": 0.98}


def write_model(catalog: Catalog, workspace: Workspace, run: str, folder: Path) -> None:
    """Write all files of the built-in model to `folder`."""
    _, best = best_of(catalog, workspace, run)
    weights, onnx = folder / builtin.WEIGHTS.name, folder / builtin.ONNX.name
    for each in (weights, onnx):
        shutil.rmtree(each, ignore_errors=True)
    weights.mkdir(parents=True)
    network, manifest = bundle.read(best)
    bundle.write(weights, network.half(), replace(manifest, sampling=SAMPLING))
    report = export_onnx(weights, onnx, "int8", music=excerpts(Corpus(catalog, workspace), weights))
    row = catalog.run(run)
    trained = [each.data for each in catalog.sketches() if each.split == "train"]
    # Whoever starts from it does not have the run that it was started from.
    settings = {**row.settings, "sample": SAMPLING, "start": None}
    last = {"settings": settings, "metrics": {**row.metrics, "pieces": len(trained)}}
    builtin.write_run(folder, last, earlier(row.settings["start"], folder))
    write_training_sketches(folder, trained)
    write_training_reference(catalog, workspace, folder / FILE)
    pieces = catalog.pieces()
    write_bytes(folder / SOURCES, "".join(f"{line}\n" for line in sources(pieces)).encode())
    write_bytes(folder / builtin.CARD.name, card(pieces, folder, report).encode())


def earlier(start: str | None, folder: Path) -> list[Mapping[str, Any]]:
    """The runs of the built-in model in `folder`, the last first, where it was started from."""
    if start is None:
        return []
    if start != builtin.NAME:
        raise SystemExit(f"the run was started from {start}: start it from {builtin.NAME}")
    before = builtin.read_run(folder)
    return [before, *before.get("earlier", ())]


def sources(pieces: Iterable[PieceInfo]) -> Iterator[str]:
    """The licence and the source of all pieces, as a table."""
    yield "# The music that the built-in model was trained and validated on"
    yield ""
    yield "Licence and source as stated with each file, the number of pieces, and their composers."
    yield ""
    yield "| licence and source | pieces | composers |"
    yield "|---|---|---|"
    found: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for piece in pieces:
        found[piece.labels.get("licence", "not stated")][piece.composer or "unknown"] += 1
    for licence, composers in sorted(found.items(), key=lambda each: -each[1].total()):
        named = ", ".join(name.replace("_", " ") for name, _ in composers.most_common())
        yield f"| {licence} | {composers.total()} | {named} |"


def card(pieces: list[PieceInfo], folder: Path, report: ExportReport) -> str:
    """The model card."""
    run = builtin.read_run(folder)
    settings, metrics = run["settings"], run["metrics"]
    runs = [*reversed(run["earlier"]), run]
    steps = [each["metrics"]["step"] for each in runs]
    sizes = [each["settings"]["train"] for each in runs]
    tokens = sum(
        count * size["batch"] * size["length"] for count, size in zip(steps, sizes, strict=True)
    )
    manifest = Manifest.read(folder / builtin.WEIGHTS.name)
    composers = manifest.conditions.embedded["composer"]
    splits = Counter(piece.split for piece in pieces)
    return TEXT.read_text("utf-8").format(
        architecture=f"{settings['arch']} {settings['size']}",
        parameters=f"{metrics['parameters'] / 1e6:.1f} million",
        tokenizer=settings["tokenizer"],
        shape=" × ".join(str(settings["model"][key]) for key in ("dim", "depth")),
        pieces=f"{splits['train']:,}",
        valid=f"{splits['valid']:,}",
        test=f"{splits['test']:,}",
        notes=f"{sum(piece.notes or 0 for piece in pieces if piece.split == 'train'):,}",
        steps=" + ".join(f"{count:,}" for count in steps),
        tokens=f"{tokens / 1e6:.0f} million",
        hours=f"{sum(each['metrics']['seconds'] for each in runs) / 3600:.1f}",
        nll=f"{metrics['best_nll']:.3f}",
        baseline=f"{metrics['baseline']:.3f}",
        agreement=f"{report.greedy_agreement:.1%}",
        nats=f"{report.nats_difference or 0:+.4f}",
        composers=", ".join(name.replace("_", " ") for name in composers),
    )


def main() -> None:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("run")
    parser.add_argument("--folder", type=Path, default=builtin.FOLDER)
    given = parser.parse_args()
    workspace = here(given.workspace)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        write_model(catalog, workspace, given.run, given.folder)


if __name__ == "__main__":
    main()
