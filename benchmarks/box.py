"""Are a model's pieces like human ones? The literature's measures beside held-out pieces.

    python -m benchmarks.box WORKSPACE BUNDLE [--composers Bach,Chopin] [--forms AABA,] [--save]

`--count` pieces of `--bars` bars are composed for each composer and form, and read again from their
MIDI files. Beside them are the pieces of the splits valid and test, in up to `--excerpts` excerpts
of the same number of bars (all excerpts begin at a bar line with notes), of the composer that was
asked for where there are `--least` excerpts, else of all. It prints the medians, the central 80 %
range of the human excerpts, and the share of composed pieces in that range. The first rows, marked
*, are required to be inside. Measures of whole pieces, such as endings, are shares of pieces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.evaluation.bar_measures import mean_curve, similarity_curve, similarity_error
from musictk.evaluation.excerpts import excerpts
from musictk.evaluation.features import REQUIRED, central_range, features, share_inside
from musictk.evaluation.harmony import begins_on_tonic, ends_on_tonic, key_of, last_bar_complete
from musictk.evaluation.structure import structureness
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import resolve_sampling
from musictk.jobs.corpus import Corpus
from musictk.jobs.evaluate import form as marked_form
from musictk.jobs.mixture import mixtures
from musictk.jobs.named_music import read_score
from musictk.jobs.pieces import write_composition
from musictk.music import bars, notes
from musictk.runtime import Runtime, load
from musictk.workspace import here

HELD_OUT = ("valid", "test")
FURTHER = (
    "pitch class entropy",
    "entropy of a bar (H1)",
    "entropy of four bars (H4)",
    "groove similarity",
)
Measures = dict[str, float]


@dataclass(frozen=True)
class Piece:
    """The measures of a composed piece or of an excerpt; `ends` those of whole pieces."""

    composer: str
    values: Measures
    ends: Measures
    curve: Any  # (FARTHEST,)


def main() -> None:
    """Compose, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("bundle", type=Path, help="such as WORKSPACE/runs/RUN/best")
    parser.add_argument("--runtime", help="by default the one the bundle was written for")
    parser.add_argument("--composers", default="Bach,Mozart,Chopin", help="separated by commas")
    parser.add_argument("--forms", default=",AABA", help="separated by commas; empty: none")
    parser.add_argument("--count", type=int, default=8, help="pieces for each composer and form")
    parser.add_argument("--bars", type=int, default=16, help="of a piece")
    parser.add_argument("--excerpts", type=int, default=4, help="of a held-out piece")
    parser.add_argument("--least", type=int, default=10, help="excerpts of a composer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--save", nargs="?", const="", metavar="FILE")
    flags = parser.parse_args()
    runtime = load(flags.bundle, flags.runtime, device="cpu")
    composers, forms = flags.composers.split(","), flags.forms.split(",")
    human = list(held_out(flags.workspace, flags.bars, flags.excerpts))
    made, sections = composed(runtime, composers, forms, flags)
    rows = table(made, human, flags.least)
    rows += form_rows(sections)
    for row in rows:
        print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    if flags.save is not None:
        manifest = runtime.manifest
        note = (
            f"{manifest.architecture} on {manifest.tokenizer}, {manifest.trained['step']:,} steps;"
            f" {len(made)} pieces of {flags.bars} bars for {', '.join(composers)};"
            f" {len(human)} excerpts of held-out pieces; * required to be inside"
        )
        measured = "in the literature's measures, beside held-out human pieces"
        title = f"Pieces composed by {manifest.architecture}, {measured}"
        given = f"WORKSPACE BUNDLE --composers {flags.composers} --count {flags.count}"
        keep("box", title, given, rows, note, flags.save or None)


def composed(
    runtime: Runtime, composers: Sequence[str], forms: Sequence[str], flags: argparse.Namespace
) -> tuple[list[Piece], list[tuple[float, float]]]:
    """The composed pieces, and of those with a form (similarity of equal, of other sections)."""
    tokenizer = runtime.manifest.make_tokenizer()
    made: list[Piece] = []
    similar: list[tuple[float, float]] = []
    for composer in composers:
        for form in forms:
            request = PieceRequest(  # what `musictk sample --composer … --form …` asks for
                conditions=mixtures(None, runtime.manifest.conditions, {"composer": composer}),
                form=form,
                bars=flags.bars // len(form) if form else flags.bars,
                seed=flags.seed,
                count=flags.count,
                sampling=resolve_sampling(runtime.manifest.sampling, {}, planned=True),
            )
            for composition in compose(runtime, tokenizer, request):
                with TemporaryDirectory() as folder:
                    path = Path(folder) / "piece.mid"
                    write_composition(tokenizer, composition, path)
                    score = read_score(path)
                if not len(notes(score, drums=False)):
                    continue
                made.append(measured(composer, score, ends(score)))
                if form:
                    found = marked_form(score)
                    similar.append((found.same, found.other))
    return made, similar


def held_out(folder: Path, length: int, most: int) -> Iterator[Piece]:
    """Excerpts of the held-out pieces of a workspace; the first one has the ends of the piece."""
    workspace = here(folder)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        corpus = Corpus(catalog, workspace)
        for split in HELD_OUT:
            for info, score in corpus.scores(corpus.select({"midi"}, split)):
                if not len(notes(score, drums=False)):
                    continue
                whole = ends(score)
                for part in excerpts(score, length, most):
                    yield measured(info.composer or "", part, whole)
                    whole = {}


def measured(composer: str, score: ScoreTick, whole: Measures) -> Piece:
    """All measures of a piece."""
    found = features(score)
    values = {name: float(np.asarray(found[name])) for name in (*REQUIRED, *FURTHER)}
    for band, value in structureness(score).items():
        values[f"structureness, {band}"] = value
    return Piece(composer, values, whole, similarity_curve(score))


def ends(score: ScoreTick) -> Measures:
    """How a whole piece begins and ends: 1 or 0 each."""
    found = notes(score, drums=False)
    key = key_of(found)
    return {
        "begins on the tonic": float(begins_on_tonic(found, bars(score), key)),
        "ends on the tonic": float(ends_on_tonic(found, key)),
        "last bar complete": float(last_bar_complete(score)),
    }


def table(made: Sequence[Piece], human: Sequence[Piece], least: int) -> list[dict[str, Any]]:
    """A row for each measure."""
    rows = [spread_row(name, made, human, least) for name in made[0].values]
    for name in made[0].ends:
        ours = [piece.ends[name] for piece in made]
        theirs = [piece.ends[name] for piece in human if piece.ends]
        rows.append(line(name, f"{np.mean(ours):.0%}", f"{np.mean(theirs):.0%}"))
    return rows + similarity_rows(made, human)


def spread_row(
    name: str, made: Sequence[Piece], human: Sequence[Piece], least: int
) -> dict[str, Any]:
    """The row of a measure: each piece is judged by the range of its composer."""
    inside, ranges = [], []
    for composer in dict.fromkeys(piece.composer for piece in made):
        ours = np.array([piece.values[name] for piece in made if piece.composer == composer])
        peers = [piece.values[name] for piece in human if piece.composer == composer]
        low, high = central_range(
            peers if len(peers) >= least else [piece.values[name] for piece in human]
        )
        inside += [share_inside(ours, low, high)] * len(ours)
        ranges.append((composer, low <= np.median(ours) <= high))
    ours = np.array([piece.values[name] for piece in made])
    theirs = np.array([piece.values[name] for piece in human])
    low, high = central_range(theirs)
    row = line(
        f"{name} *" if name in REQUIRED else name,
        number(np.median(ours)),
        number(np.median(theirs)),
    )
    outside = [composer for composer, fits in ranges if not fits]
    row["human, 10 to 90 %"] = f"{number(low)} to {number(high)}"
    row["pieces inside"] = f"{np.mean(inside):.0%}"
    row["median"] = f"outside: {', '.join(outside)}" if outside else "inside"
    return row


def similarity_rows(made: Sequence[Piece], human: Sequence[Piece]) -> list[dict[str, Any]]:
    """Museformer's curve at some distances, and its error."""
    ours, theirs = (mean_curve(piece.curve for piece in group) for group in (made, human))
    rows = [
        line(
            f"bar similarity at {distance}",
            number(ours[distance - 1]),
            number(theirs[distance - 1]),
        )
        for distance in (1, 2, 4, 8)
    ]
    halves = mean_curve(p.curve for p in human[::2]), mean_curve(p.curve for p in human[1::2])
    error, floor = similarity_error(ours, theirs), similarity_error(*halves)
    return [*rows, line("bar similarity error", number(error), f"{number(floor)} between halves")]


def form_rows(similar: Iterable[tuple[float, float]]) -> list[dict[str, Any]]:
    """Likeness of sections, where forms were asked for."""
    found = np.array(list(similar))
    if not len(found):
        return []
    return [
        line("sections of one letter, A–A", number(np.nanmean(found[:, 0])), ""),
        line("sections of two letters, A–B", number(np.nanmean(found[:, 1])), ""),
    ]


def line(name: str, ours: str, theirs: str) -> dict[str, Any]:
    """A row of the table."""
    empty = {"human, 10 to 90 %": "", "pieces inside": "", "median": ""}
    return {"measure": name, "composed": ours, "human": theirs, **empty}


def number(value: Any) -> str:
    """Three digits."""
    return f"{float(value):.3g}"


if __name__ == "__main__":
    main()
