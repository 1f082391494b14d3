"""What does the music after some bars tell a model about them? And do the bars it writes fit in?

    python -m benchmarks.infill WORKSPACE BUNDLE [BUNDLE …] [--bars 2] [--joins 50] [--save]

On validation pieces, each of which gives up to `--gaps` places. Nats per note of the true bars,
teacher forced, in rows as long as those of training:

    both    `past | after | before | bars`, as rows are arranged for infilling
    past    `past | bars`, with more of the past in the place of what comes after

The same positions are scored: those of the bars, and of tokens the one that ends them. The interval
of the difference (95 %) is bootstrapped over pieces, see `musictk.evaluation.nll`.

With `--joins N` bars are written at N of the places, and the bar lines before and after them are
compared with the same bar lines of the pieces themselves: the interval in semitones from the last
highest note to the next, the quarter notes between these onsets, and the cosine distance of the
pitch classes that sound in the two bars. Means, with the interval of the difference over places.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.keep import keep
from benchmarks.validation import validation_pieces
from musictk.controls import Bars
from musictk.controls.arrangement import AFTER, REMAINING, ROLE, remaining
from musictk.evaluation.nll import Interval, difference, per_unit
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest, to_prompt
from musictk.model.bundle import read
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.runtime import Runtime, load
from musictk.tokens import Frames, Tokenizer
from musictk.tokens.infill import GIVEN
from musictk.training.objective import NextPosition

Positions = NDArray[Any]
_BATCH = 16


class Place(NamedTuple):
    """Bars of a piece to be written: positions of its sequence."""

    piece: int
    sequence: Positions
    lines: NDArray[np.int64]  # where its bars begin
    first: int  # the first of the bars to be written
    last: int  # the first of the bars after them
    until: int  # the bar that follows those that are given
    notes: int  # that begin in the bars to be written

    def cut(self, first: int, last: int) -> slice:
        """The positions of some of the bars."""
        ends = np.append(self.lines, len(self.sequence))
        return slice(int(ends[first]), int(ends[last]))


class Rowed(NamedTuple):
    """One row to score: see `musictk.tokens.crops.Batch`."""

    window: Positions  # (T + 1,) positions
    scored: NDArray[np.bool_]  # (T,)
    ids: NDArray[np.int64]  # (N, S)
    bars: NDArray[np.int64]  # (T,)


def main() -> None:
    """Score, perhaps compose, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("bundles", nargs="+", type=Path)
    parser.add_argument("--bars", type=int, default=2, help="bars to write")
    parser.add_argument("--gaps", type=int, default=4, help="places in each piece, at most")
    parser.add_argument("--joins", type=int, default=0, help="places where bars are written")
    parser.add_argument("--save", action="store_true")
    flags = parser.parse_args()
    rows = []
    for bundle in flags.bundles:
        rows.append(row(flags.workspace, bundle, flags))
        print("  ".join(f"{key}: {value}" for key, value in rows[-1].items()), flush=True)
    if flags.save:
        title = "Infilling: nats per note of bars with both sides given, and joins"
        given = f"WORKSPACE BUNDLE … --bars {flags.bars} --joins {flags.joins}"
        note = f"{flags.bars} bars at up to {flags.gaps} places in each validation piece"
        keep("infill", title, given, rows, note)


def row(workspace: Path, directory: Path, flags: argparse.Namespace) -> dict[str, Any]:
    """One model's line."""
    network, manifest = read(directory)
    tokenizer = manifest.make_tokenizer()
    pieces = validation_pieces(workspace, tokenizer)
    length = manifest.trained_length or 512
    found = [
        place
        for index, piece in enumerate(pieces)
        for place in places(tokenizer, index, piece, flags.bars, flags.gaps, length)
    ]
    if not found:
        return {"model": f"{manifest.architecture} on {manifest.tokenizer}", "places": 0}
    both, past = (nats(network, manifest, found, length, after) for after in (True, False))
    line = compared(manifest, both, past, [(place.piece, place.notes) for place in found])
    if flags.joins:
        line |= joins(load(directory, "torch"), tokenizer, found, flags.joins)
    return line


def compared(
    manifest: Manifest,
    both: NDArray[np.float64],
    past: NDArray[np.float64],
    found: Sequence[tuple[int, int]],
) -> dict[str, Any]:
    """The columns of a model: nats of places with both sides given, and with the past only.

    `found` has the piece and the number of notes of each place.
    """
    owners, counts = map(list, zip(*found, strict=True))
    notes = np.array(counts, np.float64)
    gain = difference(both, past, notes, clusters=owners)
    return {
        "model": f"{manifest.architecture} on {manifest.tokenizer}",
        "steps": f"{manifest.trained['step']:,}",
        "places": len(found),
        "past": text(per_unit(past, notes, clusters=owners)),
        "both": text(per_unit(both, notes, clusters=owners)),
        "both - past": text(gain),
        "apart": "yes" if gain.high < 0 else "no",
    }


def places(
    tokenizer: Tokenizer, index: int, piece: Positions, bars: int, most: int, length: int
) -> Iterator[Place]:
    """Up to `most` places in a piece, drawn at random, that leave room for some of the past."""
    lines = tokenizer.bar_starts(piece)
    score = tokenizer.decode(piece)
    assert not isinstance(score, str)
    music = Bars.of(score, len(lines))
    counts = np.bincount(music.bar_of(music.notes.start), minlength=len(lines))
    rng = np.random.default_rng([1, index])
    made = 0
    for first in rng.permutation(np.arange(1, max(len(lines) - bars, 1))).tolist():
        last = first + bars
        if made == most or last >= len(lines):
            continue
        ends = np.append(lines, len(piece))
        until = min(last + GIVEN, len(lines))
        while until > last + 1 and ends[until] - ends[last] > length * 3 // 8:
            until -= 1
        room = length - int(ends[until] - ends[first])
        notes = int(counts[first:last].sum())
        if room >= length // 4 and notes:
            made += 1
            yield Place(index, piece, lines, first, last, until, notes)


def rowed(place: Place, manifest: Manifest, length: int, after: bool) -> Rowed:
    """The row of a place, with what comes after the bars or without it."""
    frames = isinstance(manifest.space, Frames)
    start, gap = manifest.space.start(1)[0], place.cut(place.first, place.last)
    given = place.cut(place.last, place.until) if after else slice(0, 0)
    written = np.arange(gap.start, gap.stop)
    later = np.arange(given.start, given.stop)
    room = length - len(written) - len(later)
    before = np.arange(-1, gap.start)[-room:]  # -1 is the start of a piece
    near = int(np.searchsorted(before, place.lines[place.first - 1]))
    ends = written[:0] if frames else np.array([gap.stop])
    order = np.concatenate([before[:near], later, before[near:], written, ends])
    window = np.concatenate([start, place.sequence])[order + 1]
    scored = np.zeros(len(order) - 1, bool)
    scored[len(before) + len(later) - 1 :] = True
    read = order[1:] if frames else order[:-1]
    bars = np.maximum(np.searchsorted(place.lines, read, "right") - 1, 0)
    controls = manifest.controls
    ids = np.zeros((len(place.lines), controls.width), np.int64)
    if after:
        ids[place.last : place.until, controls.columns[ROLE]] = AFTER
        left = remaining(place.last - place.first)[:, None]
        ids[place.first : place.last, controls.columns[REMAINING]] = left
    low = int(bars.min())
    return Rowed(window, scored, ids[low : int(bars.max()) + 1], bars - low)


@torch.no_grad()
def nats(
    network: Network, manifest: Manifest, found: Sequence[Place], length: int, after: bool
) -> NDArray[np.float64]:
    """The nats of the bars of each place."""
    objective = NextPosition(network, manifest.space).eval()
    total: list[float] = []
    for first in range(0, len(found), _BATCH):
        rows = [rowed(each, manifest, length, after) for each in found[first : first + _BATCH]]
        shape = len(rows), max(len(each.bars) for each in rows)
        windows = np.zeros((shape[0], shape[1] + 1, *rows[0].window.shape[1:]), np.int64)
        mask, bars = np.zeros(shape, bool), np.zeros(shape, np.int64)
        count = max(len(each.ids) for each in rows)
        ids = np.zeros((len(rows), count, manifest.controls.width), np.int64)
        for i, each in enumerate(rows):
            windows[i, : len(each.window)] = each.window
            mask[i, : len(each.scored)] = each.scored
            bars[i, : len(each.bars)] = each.bars
            ids[i, : len(each.ids)] = each.ids
        conditions = np.zeros((len(rows), len(manifest.conditions.labels)), np.int64)
        arrays = (windows[:, :-1], windows[:, 1:], mask, conditions, ids, bars)
        costs = objective(*(torch.from_numpy(np.ascontiguousarray(each)) for each in arrays))
        total += costs.double().sum(1).tolist()
    return np.array(total)


def joins(
    runtime: Runtime, tokenizer: Tokenizer, found: Sequence[Place], count: int
) -> dict[str, Any]:
    """The roughness of the bar lines around bars that are written, beside those of the pieces."""
    rng = np.random.default_rng(1)
    chosen = [found[i] for i in rng.permutation(len(found))[:count]]
    written, own = [], []
    for seed, place in enumerate(chosen):
        past = place.sequence[: place.cut(place.first, place.first).start]
        after = place.sequence[place.cut(place.last, place.until)]
        request = PieceRequest(
            bars=place.last - place.first,
            prompt=to_prompt(past),
            whole=True,
            after=to_prompt(after),
            seed=seed,
        )
        new = compose(runtime, tokenizer, request)[0].sequence[len(past) :]
        rest = place.sequence[place.cut(place.last, len(place.lines))]
        written.append(roughness(tokenizer, np.concatenate([past, new, rest]), place))
        own.append(roughness(tokenizer, place.sequence, place))
    line: dict[str, Any] = {"joins": len(chosen)}
    for index, name in enumerate(("interval", "onset gap", "pitch classes")):
        ours, theirs = np.array(written)[:, :, index], np.array(own)[:, :, index]
        known = ~(np.isnan(ours) | np.isnan(theirs))
        owners = np.repeat([place.piece for place in chosen], 2).reshape(-1, 2)[known].tolist()
        ones = np.ones(int(known.sum()))
        apart = difference(ours[known], theirs[known], ones, clusters=owners)
        line[name] = f"{ours[known].mean():.2f}"
        line[f"{name}, corpus"] = f"{theirs[known].mean():.2f}"
        line[f"{name}, difference"] = text(apart)
    return line


def roughness(
    tokenizer: Tokenizer, sequence: Positions, place: Place
) -> list[tuple[float, float, float]]:
    """Interval, onset gap and pitch-class distance over the two borders of the bars."""
    score = tokenizer.decode(sequence)
    assert not isinstance(score, str)
    bars = Bars.of(score, len(tokenizer.bar_starts(sequence)))
    notes, classes = bars.pitched, bars.classes()
    found: list[tuple[float, float, float]] = []
    for border in (place.first, place.last):
        line = bars.lines[border]
        before, later = notes.start[notes.start < line], notes.start[notes.start >= line]
        if not len(before) or not len(later):
            found.append((float(np.nan),) * 3)
            continue
        ends, begins = before.max(), later.min()
        top = [notes.pitch[notes.start == onset].max() for onset in (ends, begins)]
        a, b = classes[border - 1], classes[border]
        lengths = np.linalg.norm(a) * np.linalg.norm(b)
        distance = 1 - float(a @ b) / float(lengths) if lengths else float(np.nan)
        gap = (begins - ends) / max(score.ticks_per_quarter, 1)
        found.append((abs(float(top[1]) - float(top[0])), float(gap), float(distance)))
    return found


def text(interval: Interval) -> str:
    """A mean with its interval."""
    return f"{interval.mean:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


if __name__ == "__main__":
    main()
