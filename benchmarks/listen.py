"""Make docs/listen: ten pieces, chosen by measures and by looking at every picture.

    python -m benchmarks.listen draw --workspace WORKSPACE [--bundle BUNDLE] [--out listen]
    python -m benchmarks.listen write --workspace WORKSPACE --choose bach-aaba=3,chopin-aba=5

The pieces are those of `benchmarks/listen_pieces.py`: the arguments of `musictk sample`. `draw`
runs each command with `--candidates` seeds and writes the best `--keep` to OUT with a picture of
each, and a table, OUT/README.md, to choose from. `write` stores the chosen seeds in
`benchmarks/listen.toml`, runs the commands again and writes docs/listen. Without `--bundle` the
built-in model is used.

How candidates are ranked. With a workspace, each measure of a candidate is compared with excerpts
of its valid and test pieces, as long as the candidate and with the same composer and labels (of all
composers where there are too few). The measures: the share of dissonant pairs, scale consistency,
polyphony, notes per bar, pitch range, mean pitch, also of the highest and the lowest bars, the
entropy of the pitch classes of a bar, the similarity of the rhythms of the bars, the share of empty
bars, how like the bar before a bar is, the share of notes that repeat one of the onset before, and
the model's nats per token. That last one has a range as well: music that a model finds too
likely repeats itself. A candidate has a penalty of

- for each measure outside the central 80 % of human excerpts: how far outside, in widths of the
  range, at most 3
- a half, times the share of human pieces that do, for each of: it does not begin on the tonic, does
  not end on it, its last bar is incomplete
- a half if equal sections of its form are hardly more alike than different ones
- 2 if it shares more with the training pieces than 95 % of human pieces of its length do
- and a tenth of the distances from the human medians, which decides among what is in all ranges.

The smallest penalty is the best. Of bars that were written again, only those bars are measured, and
endings and form are not. The measures find what is broken: which of the best candidates is worth
hearing, a person decides.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from symusic.core import ScoreTick

from benchmarks.listen_measures import SILENT, Human, Judge, Likelihood, Measured
from benchmarks.listen_page import draw, table_text, write_page
from benchmarks.listen_pieces import (
    FOLDER,
    ROOT,
    SEEDS,
    Piece,
    parse_seeds,
    pieces,
    read_seeds,
    write_seeds,
)
from musictk.controls.parts import with_tracks
from musictk.errors import MusictkError, UsageError
from musictk.evaluation.excerpts import excerpt
from musictk.files import write_bytes
from musictk.jobs.bundles import ModelSource, open_source
from musictk.jobs.given_music import tracks_with_notes
from musictk.jobs.named_music import read_score
from musictk.music import bars, notes
from musictk.rendering import midi
from musictk.workspace import Workspace, here


@dataclass(frozen=True)
class Candidate:
    """A composed piece and its measures."""

    piece: Piece
    seed: int
    path: Path
    human: Human
    measured: Measured


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw candidates, or write the folder."""
    flags = parser().parse_args(arguments)
    try:
        if flags.action == "draw":
            draw_candidates(flags)
        else:
            write(flags)
    except MusictkError as error:
        sys.exit(f"error: {error}")


def parser() -> argparse.ArgumentParser:
    """The options of both actions."""
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--bundle", type=Path, help="by default the built-in model")
    common.add_argument("--workspace", type=Path, help="has the held-out pieces to compare with")
    common.add_argument(
        "--only", default="", metavar="NAMES", help="of pieces; no others are written"
    )
    common.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    root = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    actions = root.add_subparsers(dest="action", required=True)
    draws = actions.add_parser("draw", parents=[common], help="candidates to choose from")
    draws.add_argument("--candidates", type=int, default=16, help="seeds of each piece")
    draws.add_argument("--first", type=int, default=1, help="the first seed")
    draws.add_argument("--keep", type=int, default=3, help="candidates of each piece")
    draws.add_argument("--out", type=Path, default=Path("listen"))
    writes = actions.add_parser("write", parents=[common], help="the folder, from chosen seeds")
    writes.add_argument("--choose", default="", metavar="PIECE=SEED,…")
    writes.add_argument("--folder", type=Path, default=FOLDER)
    writes.add_argument("--seeds", type=Path, default=SEEDS, help="the file of the chosen seeds")
    return root


def draw_candidates(flags: argparse.Namespace) -> None:
    """Compose, rank, and write the best with their pictures."""
    judge = open_judge(flags)
    seeds = range(flags.first, flags.first + flags.candidates)
    best: list[list[Candidate]] = []
    with TemporaryDirectory() as folder:
        for piece in pieces(flags.only):
            chosen = [(piece, seed) for seed in seeds]
            ranked = sorted(
                compose(chosen, Path(folder), flags, judge), key=lambda each: each.measured.penalty
            )
            found = [each for each in ranked if each.measured.values][: flags.keep]
            if not found:
                raise MusictkError(f"every candidate of {piece.name} is silent")
            for each in found:
                kept = flags.out / f"{piece.name}-{each.seed}.mid"
                write_bytes(kept, each.path.read_bytes())
                draw(piece, read_score(kept), kept.with_suffix(".png"), f"seed {each.seed}")
            best.append(found)
            print(f"{piece.name}: {', '.join(map(described, found))}", flush=True)
            write_bytes(flags.out / "README.md", candidates_text(best).encode())


def write(flags: argparse.Namespace) -> None:
    """Store the seeds, compose each piece and write the folder with its page."""
    seeds = read_seeds(flags.seeds) | parse_seeds(flags.choose)
    wanted = pieces(flags.only)
    missing = [each.name for each in wanted if each.name not in seeds]
    if missing:
        raise UsageError(f"{missing[0]} has no seed", f"add --choose {missing[0]}=SEED")
    judge = open_judge(flags)
    with TemporaryDirectory() as folder:
        chosen = [(piece, seeds[piece.name]) for piece in wanted]
        made = compose(chosen, Path(folder), flags, judge)
        for each in made:
            write_bytes(flags.folder / f"{each.piece.name}.mid", each.path.read_bytes())
            if each.piece.given is not None:
                shutil.copy(Path(folder) / each.piece.given, flags.folder / each.piece.given)
    shown = [(each.piece, each.seed, each.human, each.measured) for each in made]
    size = write_page(flags.folder, shown)
    write_seeds(seeds, flags.seeds)
    print(f"{flags.folder}: {len(made)} pieces, {size / 1e6:.1f} MB")


def open_judge(flags: argparse.Namespace) -> Judge:
    """The measures of this model, beside the held-out pieces of the workspace."""
    source = ModelSource(bundle=flags.bundle)
    model = open_source(None, Workspace(Path.cwd()), source)
    workspace = None if flags.workspace is None else here(flags.workspace)
    return Judge(Likelihood(model.runtime), workspace, model.reference_folder)


def compose(
    chosen: Sequence[tuple[Piece, int]], folder: Path, flags: argparse.Namespace, judge: Judge
) -> list[Candidate]:
    """Run the command of each piece and seed, `--jobs` at a time, and measure what it wrote."""
    for piece, _ in chosen:
        write_given(piece, folder)
    with ThreadPoolExecutor(max(flags.jobs, 1)) as pool:
        runs = [pool.submit(run, *each, folder, flags.bundle) for each in chosen]
        paths = [each.result() for each in runs]
    return [
        Candidate(piece, seed, path, *measured(piece, read_score(path), judge))
        for (piece, seed), path in zip(chosen, paths, strict=True)
    ]


def write_given(piece: Piece, folder: Path) -> None:
    """Write the melody that the piece accompanies: a track of a file, as it is."""
    if piece.given is None or piece.melody is None:
        return
    file, number = piece.melody
    score = read_score(ROOT / file)
    track = tracks_with_notes(score)[number - 1]
    midi.write(with_tracks(score, [track]), [], folder / piece.given)


def run(piece: Piece, seed: int, folder: Path, bundle: Path | None) -> Path:
    """Run the command as a user does, without a catalog; returns the file that it wrote."""
    path = (folder / f"{piece.name}-{seed}.mid").absolute()
    words = [str(ROOT / word) if word.startswith("examples/") else word for word in piece.arguments]
    if piece.given is not None:
        words[words.index("--accompany") + 1] = str(folder.absolute() / piece.given)
    words += ["--seed", str(seed), "-o", str(path)]
    words += [] if bundle is None else ["--bundle", str(bundle.absolute())]
    with TemporaryDirectory() as empty:
        done = subprocess.run(
            [sys.executable, "-m", "musictk", "--quiet", "sample", *words],
            cwd=empty,
            env={key: each for key, each in os.environ.items() if not key.startswith("MUSICTK_")},
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise MusictkError(f"{piece.command(seed)}: {done.stderr.strip()}")
    return path


def measured(piece: Piece, score: ScoreTick, judge: Judge) -> tuple[Human, Measured]:
    """The human ranges for a piece, and its measures; of bars written again, theirs."""
    if piece.rewritten is not None:
        first, last = piece.rewritten
        score = excerpt(score, first - 1, last - first + 1)
    if not len(notes(score, drums=False)):
        return Human(), SILENT
    human = judge.human(piece.labels, len(bars(score)) - 1)
    return human, judge.measure(score, piece.labels, human, whole=piece.rewritten is None)


def described(candidate: Candidate) -> str:
    return f"{candidate.seed} ({candidate.measured.penalty:.2f})"


def candidates_text(best: Sequence[Sequence[Candidate]]) -> str:
    """The page to choose from."""
    parts = ["# Candidates", "The smallest penalty is the best."]
    for found in best:
        parts.append(f"## {found[0].piece.title}\n\n    {found[0].piece.command(found[0].seed)}")
        for each in found:
            faults = "; ".join(each.measured.faults) or "nothing outside the human ranges"
            parts.append(f"### Seed {each.seed}: {each.measured.penalty:.2f}\n\n{faults}")
            parts.append(f"![seed {each.seed}]({each.piece.name}-{each.seed}.png)")
            parts.append(table_text(each.human, each.measured))
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    main()
