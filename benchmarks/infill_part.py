"""What do later bars of a part tell a model about bars of it that are written beside other parts?

    python -m benchmarks.infill_part WORKSPACE BUNDLE [BUNDLE …] [--bars 2] [--save]

On validation pieces with two parts (two tracks, or two hands), as `sample --infill --track` writes
them. Either part is written beside the other at up to `--gaps` places. Nats per note of the true
bars, teacher forced, in rows as long as those of training:

    both    the other part, and the bars of this part before and after those to write
    past    the other part and the bars before, more of them in the place of those after

The same positions are scored. The interval of the difference (95 %) is bootstrapped over pieces.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.infill import compared
from benchmarks.keep import keep
from musictk.catalog import Catalog
from musictk.controls import bar_table
from musictk.controls.part_table import part_index, part_shard
from musictk.jobs.corpus import Corpus
from musictk.model.bundle import read
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.tokens import Tokenizer, Tokens
from musictk.tokens.batch import Row
from musictk.tokens.beside import Beside, RowBars
from musictk.tokens.infill import GIVEN
from musictk.training.objective import NextPosition
from musictk.workspace import here


class Place(NamedTuple):
    """Bars to write of one part of a piece, in rows with and without what follows."""

    piece: int
    both: Row
    past: Row
    scored: int  # the last positions of each row that are predicted
    notes: int


def places(
    beside: Beside, tokenizer: Tokenizer, shard: Any, bars: int, gaps: int, length: int
) -> Iterator[Place]:
    """At most `gaps` places in each part, drawn at random, that leave room for some of the past."""
    tokens = isinstance(tokenizer.space, Tokens)
    for given in range(len(shard.files)):
        rng = np.random.default_rng([2, given])
        other, own = beside.edges(given), beside.edges(given ^ 1)
        made, count = 0, len(own) - 1
        for start in rng.permutation(np.arange(1, max(count - bars, 1))).tolist():
            stop = start + bars
            until = min(stop + GIVEN, count)
            music = shard.piece(given ^ 1)[own[start] : own[stop]]
            score = tokenizer.decode(music)
            notes = score.note_num() if isinstance(score, ScoreTick) else 0
            first, longer = (_first(other, own, stop, end, length) for end in (until, stop))
            if made == gaps or stop >= count or not notes or first >= start:
                continue
            made += 1
            both = beside.row(given, RowBars(first, stop, bars, until - stop), length, rng)
            past = beside.row(given, RowBars(longer, stop), length, rng)
            if not tokens:  # its last frame would predict the one after the bars
                past.mask[np.flatnonzero(past.mask)[-1]] = False
            yield Place(given // 2, both, past, len(music) + tokens, notes)


def _first(
    other: NDArray[np.int64], own: NDArray[np.int64], stop: int, until: int, length: int
) -> int:
    """The first bar of a row that ends with the bars before `stop` and fits."""
    end = other[min(stop + 1, len(other) - 1)] + own[until]
    return int((end - other - own >= length).sum())


@torch.no_grad()
def nats(objective: NextPosition, manifest: Manifest, row: Row, scored: int) -> float:
    """The nats of the last positions of a row."""
    mask = np.zeros_like(row.mask)
    mask[np.flatnonzero(row.mask)[-scored:]] = True
    ids = np.zeros(row.ids.shape, np.int64)
    for name in ("role", "remaining"):  # no other control is chosen
        columns = manifest.controls.columns[name]
        ids[:, columns] = row.ids[:, columns]
    labels = np.zeros((1, len(manifest.conditions.labels)), np.int64)
    arrays = (row.inputs[None], row.targets[None], mask[None], labels, ids[None], row.bars[None])
    tensors = (torch.from_numpy(np.ascontiguousarray(each)) for each in arrays)
    return float(objective(*tensors).double().sum())


def line(folder: Path, directory: Path, bars: int, gaps: int) -> dict[str, Any]:
    """The table's row of one bundle."""
    network: Network
    network, manifest = read(directory)
    tokenizer, workspace = manifest.make_tokenizer(), here(folder)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        corpus = Corpus(catalog, workspace)
        shard = corpus.shard(tokenizer, "valid")
        parts = part_shard(tokenizer, shard, lambda file: corpus.load(corpus.pieces[file]))
    table = bar_table(tokenizer, parts, manifest.controls)
    made = manifest.controls.beside(parts, table, part_index(shard, parts), 1.0, 1.0)
    assert made is not None, "this model was not trained to write beside a given part"
    length = manifest.trained_length or 512
    found = list(places(Beside(made, None), tokenizer, parts, bars, gaps, length))
    objective = NextPosition(network, manifest.space).eval()
    both, past = (
        np.array([nats(objective, manifest, getattr(each, name), each.scored) for each in found])
        for name in ("both", "past")
    )
    return compared(manifest, both, past, [(each.piece, each.notes) for each in found])


def main() -> None:
    """Score and print."""
    parser = argparse.ArgumentParser(description="Score bars of one part beside the others.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--bars", type=int, default=2, help="bars to write")
    parser.add_argument("--gaps", type=int, default=2, help="places in each part, at most")
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    rows = [line(asked.workspace, path, asked.bars, asked.gaps) for path in asked.bundles]
    for each in rows:
        print("  ".join(f"{name}: {value}" for name, value in each.items()))
    if asked.save:
        title = "Infilling one part: nats per note with its later bars given"
        note = f"{asked.bars} bars at up to {asked.gaps} places in each part of the pieces"
        keep("infill_part", title, f"WORKSPACE BUNDLE … --bars {asked.bars}", rows, note)


if __name__ == "__main__":
    main()
