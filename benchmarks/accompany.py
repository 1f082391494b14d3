"""What does one part of a piece tell a model about the other?

    python -m benchmarks.accompany WORKSPACE BUNDLE [BUNDLE …] [--length 512] [--save]

Nats per note of a part of the validation pieces, teacher forced, each of the two parts beside the
other from a random bar on:

    beside    given its partner, in the rows that sampling and training use
    elsewhere the same, with bars of the partner from 5 bars later
    alone     without a partner

The same positions are scored in all three, as many as a row beside the partner holds. Intervals
(95 %) are bootstrapped over pieces, see `musictk.evaluation.nll`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk import runtime
from musictk.catalog import Catalog
from musictk.controls.arrangement import BESIDE, ROLE
from musictk.controls.part_table import part_shard
from musictk.evaluation.nll import Interval, difference, per_unit
from musictk.jobs.corpus import Corpus
from musictk.runtime import Runtime
from musictk.tokens import Tokenizer
from musictk.tokens.beside import GIVEN_PART, interleave
from musictk.workspace import here

LATER = 5  # bars
LEAST = 40  # positions of a part that are worth scoring


class Row(NamedTuple):
    """(T,) places in the music of the partner or of the part, and which of them it is."""

    places: NDArray[np.int64]
    partner: NDArray[np.bool_]


class Scored(NamedTuple):
    """Nats of the same positions of one part of a piece."""

    piece: int
    beside: float
    elsewhere: float
    alone: float
    notes: int


def score(model: Runtime, folder: Path, length: int) -> Iterator[Scored]:
    """Both parts of every validation piece that has two, of at least 14 bars."""
    tokenizer, rng = model.manifest.make_tokenizer(), np.random.default_rng(0)
    workspace = here(folder)
    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        corpus = Corpus(catalog, workspace)
        shard = corpus.shard(tokenizer, "valid")
        parts = part_shard(tokenizer, shard, lambda file: corpus.load(corpus.pieces[file]))
    for index in range(len(parts.files)):
        partner, part = parts.piece(index ^ 1), parts.piece(index)
        edges = [np.append(tokenizer.bar_starts(each), len(each)) for each in (partner, part)]
        bars = len(edges[0]) - 1
        if bars < 14:
            continue
        first = int(rng.integers(1, bars - 12))
        rows = [_row(edges, first, bars, shift, length) for shift in (0, LATER)]
        count = min(int((~row.partner).sum()) for row in rows)
        if count < LEAST:
            continue
        start = int(edges[1][first])
        rows.append(Row(np.arange(start, start + count), np.zeros(count, bool)))
        near, far, none = (float(_nats(model, partner, part, row)[:count].sum()) for row in rows)
        notes = _notes(tokenizer, part[start : start + count])
        yield Scored(index // 2, near, far, none, notes)


def _row(edges: list[NDArray[np.int64]], first: int, bars: int, shift: int, length: int) -> Row:
    """A row from the bar `first` on; the last bar, with nothing after it, is left out."""
    places, partner = [], []
    for block in interleave(first, bars - 1, bars):
        given = block.kind == GIVEN_PART
        bar = (block.bar + shift) % bars if given else block.bar
        own = edges[0 if given else 1]
        places.append(np.arange(own[bar], own[bar + 1]))
        partner.append(np.full(len(places[-1]), given))
    return Row(np.concatenate(places)[:length], np.concatenate(partner)[:length])


def _nats(
    model: Runtime, partner: NDArray[Any], part: NDArray[Any], row: Row
) -> NDArray[np.float64]:
    """(N,) of the position after each of the part's in a row."""
    controls = model.manifest.controls
    ids = np.zeros((2, controls.width), np.uint8)
    ids[1, controls.columns[ROLE]] = BESIDE
    nothing = model.condition([[] for _ in model.manifest.conditions.labels])
    conditions = model.control(ids) + nothing
    theirs, own = (np.where(row.partner == given, row.places, 0) for given in (True, False))
    given = row.partner.reshape(-1, *[1] * (part.ndim - 1))
    sequence = np.where(given, partner[theirs], part[own])
    session = model.begin(1, len(sequence))
    logits = session.step(sequence[None], conditions[row.partner.astype(int)][None])[0]
    own, x = row.places[~row.partner], logits[~row.partner].astype(np.float64)
    targets = part[own + 1]
    if part.ndim > 1:  # frames: each pitch by itself
        return np.asarray((np.logaddexp(0, x) - x * targets).sum(-1))
    x -= x.max(-1, keepdims=True)
    return np.asarray(np.log(np.exp(x).sum(-1)) - x[np.arange(len(x)), targets])


def _notes(tokenizer: Tokenizer, music: NDArray[Any]) -> int:
    decoded = tokenizer.decode(music)
    assert isinstance(decoded, ScoreTick)
    return int(decoded.note_num())


def row(path: Path, folder: Path, length: int) -> dict[str, Any]:
    """The table's row of one bundle."""
    model = runtime.load(path, "torch", device="cpu")
    found = [each for each in score(model, folder, length) if each.notes]
    columns = {
        name: np.array([getattr(each, name) for each in found], np.float64)
        for name in ("beside", "elsewhere", "alone", "notes")
    }
    pieces, notes = [each.piece for each in found], columns["notes"]
    made: dict[str, Any] = {"model": path.parent.name, "pieces": len(set(pieces))}
    for name in ("beside", "elsewhere", "alone"):
        made[name] = _text(per_unit(columns[name], notes, clusters=pieces))
    for name in ("elsewhere", "alone"):
        gap = difference(columns["beside"], columns[name], notes, clusters=pieces)
        made[f"beside - {name}"] = _text(gap)
    return made


def _text(interval: Interval) -> str:
    return f"{interval.mean:.3f} ({interval.low:.3f} to {interval.high:.3f})"


def main() -> None:
    parser = argparse.ArgumentParser(description="Score parts beside their partners.")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("bundles", type=Path, nargs="+")
    parser.add_argument("--length", type=int, default=512)
    parser.add_argument("--save", action="store_true")
    asked = parser.parse_args()
    rows = [row(path, asked.workspace, asked.length) for path in asked.bundles]
    for each in rows:
        print("  ".join(f"{name}: {value}" for name, value in each.items()))
    if asked.save:
        title = "Nats per note of a part beside its partner"
        keep("accompany", title, "WORKSPACE BUNDLE", rows, __doc__ or "")


if __name__ == "__main__":
    main()
