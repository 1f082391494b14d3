"""Whether a model composes in the style of the composer it is conditioned on.

    python -m benchmarks.composers WORKSPACE [--run RUN] [--composer Bach …] [--count 10] [--save]

For each composer, `count` pieces are composed and attributed to one of these composers, by a
classifier trained on excerpts of as many bars of the workspace's music. By default for the ten
composers with the most pieces among those that the classifier and the model know. Human excerpts of
the same composers, held out by cross-validation, are the upper bound.
"""

from __future__ import annotations

import argparse
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.generation.sampling import resolve_sampling
from musictk.jobs.attribute import choose_pieces
from musictk.jobs.bundles import ModelSource, best_of
from musictk.jobs.composer_control import ComposerControl, composer_control
from musictk.jobs.corpus import Corpus
from musictk.jobs.samples import SampleRequest
from musictk.model.manifest import Manifest
from musictk.workspace import Workspace

COMPOSERS = 10


def main() -> None:
    """Compose, attribute, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--run")
    parser.add_argument("--composer", action="append", default=[])
    parser.add_argument("--count", type=int, default=10)
    parser.add_argument("--bars", type=int, default=16)
    parser.add_argument("--guidance", type=float)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    workspace = Workspace(flags.workspace.absolute())
    with Catalog.open(workspace.catalog_url, workspace.root, create=False) as catalog:
        name, directory = best_of(catalog, workspace, flags.run)
        composers = flags.composer or frequent(Corpus(catalog, workspace), directory)
        request = SampleRequest(
            source=ModelSource(run=name),
            bars=flags.bars,
            seed=flags.seed,
            count=flags.count,
            options={} if flags.guidance is None else {"guidance": flags.guidance},
        )
        found = composer_control(catalog, workspace, composers, request)
    rows = table(found)
    for each in rows:
        print(each)
    if flags.save:
        manifest = Manifest.read(directory)
        guidance = resolve_sampling(manifest.sampling, request.options, planned=True).guidance
        note = (
            f"{manifest.architecture} on {manifest.tokenizer}, {manifest.trained['step']:,} steps;"
            f" {flags.count} pieces of {flags.bars} bars each, guidance {guidance:g};"
            f" of {found.share_of_composers:.0%} of the composers most pieces are recognised"
        )
        title = "Composers recognised in what a model writes"
        given = f"WORKSPACE --run {name} --count {flags.count} --guidance {guidance:g}"
        keep("composers", title, given, rows, note)


def frequent(corpus: Corpus, directory: Path) -> list[str]:
    """The composers with the most pieces, of those that classifier and model know."""
    known = Manifest.read(directory).conditions
    counts = Counter(
        str(piece.composer)
        for piece in choose_pieces(corpus.select({"midi"}))
        if known.id("composer", str(piece.composer)) > 1
    )
    return [name for name, _ in counts.most_common(COMPOSERS)]


def table(found: ComposerControl) -> list[dict[str, Any]]:
    """A line for each composer, and one for all."""
    rows: list[dict[str, Any]] = []
    for each in found.composers:
        most = ", ".join(f"{name} {count}" for name, count in list(each.found.items())[:3])
        rows.append(
            {
                "composer": each.composer,
                "recognised": f"{each.right} of {each.pieces}",
                "probability": f"{each.probability:.2f}",
                "attributed to": most,
                "F1 of human excerpts": f"{found.scores.by_composer[each.composer]:.2f}",
            }
        )
    right = sum(each.recognised for each in found.composers)
    total = {"composer": "all", "recognised": f"{found.share:.0%} of the pieces"}
    total["attributed to"] = f"{right} of {len(rows)} composers more than to any other"
    total["F1 of human excerpts"] = f"{found.scores.f1:.2f}"
    return [*rows, total]


if __name__ == "__main__":
    main()
