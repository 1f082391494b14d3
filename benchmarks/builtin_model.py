"""Write a built-in model from a finished run, and the model card of all of them: `musictk/builtin`.

    python -m benchmarks.builtin_model WORKSPACE RUN [--folder FOLDER]

WORKSPACE is that of `benchmarks.builtin_corpus`. The run becomes the built-in model of its
architecture: its best checkpoint in half precision, and its ONNX export with int8 weights (checked
on validation music). All models share the sketches of the training pieces, the hashes for
`sample --original`, and the card.
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
from musictk.builtin import BuiltinModel
from musictk.builtin.training import write_training_sketches
from musictk.catalog import Catalog, PieceInfo
from musictk.evaluation.reference import FILE
from musictk.export import export_onnx
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
# Defaults of the models: at a lower temperature they repeat single notes. A guidance of 2.5 follows
# a composer more closely than 1.5, but makes the conformer less like human music (docs/log.md).
SAMPLING = {"temperature": 1.0, "top_p": 0.98}
GUIDANCE = {"gpt": 2.5, "conformer": 1.5}


def write_model(catalog: Catalog, workspace: Workspace, run: str, folder: Path) -> None:
    """Write all files of one built-in model to its folder in `folder`, and those of all."""
    row = catalog.run(run)
    model = next(each for each in models(folder) if each.folder.name == row.settings["arch"])
    _, best = best_of(catalog, workspace, run)
    for each in (model.weights, model.onnx):
        shutil.rmtree(each, ignore_errors=True)
    model.weights.mkdir(parents=True)
    network, manifest = bundle.read(best)
    sampling = SAMPLING | {"guidance": GUIDANCE[row.settings["arch"]]}
    bundle.write(model.weights, network.half(), replace(manifest, sampling=sampling))
    music = excerpts(Corpus(catalog, workspace), model.weights)
    report = export_onnx(model.weights, model.onnx, "int8", music=music)
    trained = [each.data for each in catalog.sketches() if each.split == "train"]
    # Whoever starts from it does not have the run that it was started from.
    settings = {**row.settings, "sample": sampling, "start": None}
    compared = {"agreement": report.greedy_agreement, "nats": report.nats_difference or 0.0}
    metrics = {**row.metrics, "pieces": len(trained), "int8": compared}
    before = earlier(row.settings["start"], model)
    model.write_run({"settings": settings, "metrics": metrics}, before)
    write_training_sketches(folder, trained)
    write_training_reference(catalog, workspace, folder / FILE)
    pieces = catalog.pieces()
    write_bytes(folder / SOURCES, "".join(f"{line}\n" for line in sources(pieces)).encode())
    write_bytes(folder / builtin.CARD.name, card(pieces, folder).encode())


def models(folder: Path) -> list[BuiltinModel]:
    """The built-in models as they are in another folder."""
    return [replace(each, folder=folder / each.folder.name) for each in builtin.MODELS.values()]


def earlier(start: str | None, model: BuiltinModel) -> list[Mapping[str, Any]]:
    """The runs of the built-in model, the last first, where the new run was started from it."""
    if start is None:
        return []
    if start != model.name:
        raise SystemExit(f"the run was started from {start}: start it from {model.name}")
    before = model.read_run()
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


def card(pieces: list[PieceInfo], folder: Path) -> str:
    """The model card."""
    found = [each for each in models(folder) if each.weights.exists()]
    columns = [described(each) for each in found]
    manifest = Manifest.read(found[0].weights)
    composers = manifest.conditions.embedded["composer"]
    splits = Counter(piece.split for piece in pieces)
    lines = ("".join(f" {column[row]} |" for column in columns) for row in columns[0])
    return TEXT.read_text("utf-8").format(
        table="\n".join(f"| {row} |{line}" for row, line in zip(columns[0], lines, strict=True)),
        rule="---|" * len(columns),
        names="".join(f" `{each.name}` |" for each in found),
        pieces=f"{splits['train']:,}",
        valid=f"{splits['valid']:,}",
        test=f"{splits['test']:,}",
        notes=f"{sum(piece.notes or 0 for piece in pieces if piece.split == 'train'):,}",
        composers=", ".join(name.replace("_", " ") for name in composers),
    )


def described(model: BuiltinModel) -> dict[str, str]:
    """The facts of one model, a column of the card's table."""
    run = model.read_run()
    settings, metrics = run["settings"], run["metrics"]
    runs = [*reversed(run["earlier"]), run]
    each_run = [each["metrics"] for each in runs]
    tokens = sum(each["positions_per_second"] * each["seconds"] for each in each_run)
    hours = sum(each["seconds"] for each in each_run) / 3600
    shape = " × ".join(str(settings["model"][key]) for key in ("dim", "depth"))
    int8 = metrics["int8"]
    return {
        "architecture": f"{settings['arch']} {settings['size']} ({shape})",
        "parameters": f"{metrics['parameters'] / 1e6:.1f} million",
        "tokenizer": settings["tokenizer"],
        "steps": " + ".join(f"{each['step']:,}" for each in each_run),
        "tokens, without padding": f"{tokens / 1e6:.0f} million",
        "hours on one or two CPU cores": f"{hours:.1f}",
        "valid, nats per token": f"{metrics['best_nll']:.3f}",
        "the same, a bigram model": f"{metrics['baseline']:.3f}",
        "int8 against fp32: equal greedy choices": f"{int8['agreement']:.1%}",
        "the same: nats per token": f"{int8['nats']:+.4f}",
    }


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
