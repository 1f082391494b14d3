"""Do pieces follow their bar controls? Measured again in the MIDI files that are written.

    python -m benchmarks.obedience WORKSPACE BUNDLE [--count 100] [--controls NAMES] [--save]

For each control, pieces of 16 bars are composed with the values of 16 bars of a validation piece.
`--each` pieces share a validation piece, since they can be composed in one batch. Everything else
is as in `musictk sample`. The written MIDI file is read again and measured:

    key        the key of the whole file (Krumhansl-Schmuckler) is the one that was chosen
    chord      notes that begin on strong beats and are tones of the chosen chord
    density, polyphony    bars that are in the chosen class or the next one
    metre, tempo, lowest, highest    bars that are as chosen
    ending     files with as many bars as were asked for, the last one with notes
    cadence    files that end with the tonic of their key in the bass

Beside it: the same of pieces composed without the control, and of the validation pieces themselves
(cadence: beside it, the last but one bar of the same files).
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.keep import keep
from benchmarks.validation import validation_pieces
from musictk.controls import Bars, Control, Controls, measure
from musictk.evaluation.harmony import ends_on_tonic
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Sampling, resolve_sampling
from musictk.jobs.named_music import read_score
from musictk.jobs.pieces import write_composition
from musictk.keys import nearest_keys, pitch_class
from musictk.music import bars as bar_lines
from musictk.runtime import Runtime, load
from musictk.tokens import Tokenizer

BARS = 16
Ids = NDArray[np.uint8]


class Share(NamedTuple):
    """Hits of a number of trials."""

    hits: int
    trials: int


class Line(NamedTuple):
    """A line of the table. `judge` gets a control, the chosen ids (BARS, parts) and the bars."""

    measured: str
    judge: Callable[[Control, Ids, Bars], Share]
    goal: str


class Asked(NamedTuple):
    """Some bars of a validation piece, and the ids of their controls."""

    bars: Bars
    ids: Ids  # (BARS, S)


def main() -> None:
    """Compose, read again, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("workspace", type=Path)
    parser.add_argument("bundle", type=Path, help="such as WORKSPACE/runs/RUN/best")
    parser.add_argument("--runtime", help="by default the one the bundle was written for")
    parser.add_argument("--count", type=int, default=100, help="pieces for each control")
    parser.add_argument("--each", type=int, default=5, help="pieces that share their values")
    parser.add_argument("--controls", default="", help="separated by commas; by default all")
    parser.add_argument("--guidance", type=float, help="by default that of musictk sample")
    parser.add_argument("--save", nargs="?", const="", metavar="FILE")
    flags = parser.parse_args()
    runtime = load(flags.bundle, flags.runtime, device="cpu")
    manifest = runtime.manifest
    pieces = validation_pieces(flags.workspace, manifest.make_tokenizer())
    options = {} if flags.guidance is None else {"guidance": flags.guidance}
    sampling = resolve_sampling(manifest.sampling, options, planned=True, controlled=True)
    benchmark = Obedience(runtime, pieces, sampling, flags.count, flags.each)
    names = flags.controls.split(",") if flags.controls else [*LINES]
    rows = []
    for row in benchmark.rows(names):
        rows.append(row)
        print("  ".join(f"{key}: {value}" for key, value in row.items()), flush=True)
    if flags.save is not None:
        note = (
            f"{manifest.architecture} on {manifest.tokenizer}, {manifest.trained['step']:,} steps;"
            f" {flags.count} pieces of {BARS} bars, guidance {sampling.guidance:g}"
        )
        title = "Obedience: how far pieces follow their bar controls"
        given = f"WORKSPACE BUNDLE --count {flags.count} --each {flags.each}"
        keep("obedience", title, given, rows, note, flags.save or None)


class Obedience:
    """Composes with the values of validation pieces, and measures what was written."""

    def __init__(
        self,
        runtime: Runtime,
        pieces: Sequence[NDArray[Any]],
        sampling: Sampling,
        count: int,
        each: int,
    ) -> None:
        self.runtime, self.sampling, self.each = runtime, sampling, each
        self.tokenizer = runtime.manifest.make_tokenizer()
        self.controls = runtime.manifest.controls
        facts = [asked(self.tokenizer, piece, self.controls) for piece in pieces]
        long = [each for each in facts if len(each.bars) >= BARS]
        rng = np.random.default_rng(1)
        chosen = rng.choice(len(long), count // each, replace=count // each > len(long))
        starts = [int(rng.integers(len(long[index].bars) - BARS + 1)) for index in chosen]
        self.asked = [part(long[i], start) for i, start in zip(chosen, starts, strict=True)]
        self.endings = [part(each, last_bar(each.bars) - BARS) for each in long]

    def rows(self, names: Sequence[str]) -> Iterator[dict[str, Any]]:
        """A row of the table for each of these lines that the model has."""
        free = self.compose([()] * len(self.asked))
        for name in names:
            if name in self.controls.names:
                yield self.row(name, free)
            elif name not in LINES or "place" not in self.controls.names:
                print(f"{name}: this model does not have it")
            elif name == "ending":
                yield line(name, free_share(_ending, free), None, None)
            else:
                middles = [Bars(each.score, each.lines[:-1]) for each in free]
                endings = [each.bars for each in self.endings]
                found = [free_share(_cadence, group) for group in (free, middles, endings)]
                yield line(name, *found)

    def row(self, name: str, free: Sequence[Bars]) -> dict[str, Any]:
        """The row of a control."""
        control = self.controls.named(name)
        columns, judge = self.controls.columns[name], LINES[name].judge
        ids = [values(control, each.ids[:, columns], each.bars) for each in self.asked]
        made = self.compose([choose(control, each) for each in ids])

        def judged(groups: Sequence[Bars], each: int) -> Share:
            return total(judge(control, ids[i // each], bars) for i, bars in enumerate(groups))

        corpus = judged([each.bars for each in self.asked], 1)
        return line(name, judged(made, self.each), judged(free, self.each), corpus)

    def compose(self, chosen: Sequence[tuple[ChosenControl, ...]]) -> list[Bars]:
        """`each` pieces for each of these choices, as their MIDI files have them."""
        found: list[Bars] = []
        with TemporaryDirectory() as folder:
            path = Path(folder) / "piece.mid"
            for seed, controls in enumerate(chosen):
                request = PieceRequest(
                    bars=BARS, seed=seed, count=self.each, sampling=self.sampling, controls=controls
                )
                for piece in compose(self.runtime, self.tokenizer, request):
                    write_composition(self.tokenizer, piece, path)
                    found.append(Bars.of(read_score(path), BARS))
        return found


def asked(tokenizer: Tokenizer, piece: NDArray[Any], controls: Controls) -> Asked:
    """All bars of a piece as the tokenizer represents it."""
    facts, score = measure(tokenizer, piece, controls), tokenizer.decode(piece)
    assert not isinstance(score, str)
    return Asked(Bars.of(score, len(facts.ids)), facts.ids)


def part(whole: Asked, start: int) -> Asked:
    """BARS bars of a piece from `start` on."""
    start = max(start, 0)
    lines = whole.bars.lines[start : start + BARS + 1]
    return Asked(Bars(whole.bars.score, lines), whole.ids[start : start + BARS])


def values(control: Control, ids: Ids, bars: Bars) -> Ids:
    """The ids to ask for: those of each bar; of a key, the one of all bars together."""
    if control.name != "key":
        return ids
    return np.full_like(ids, int(nearest_keys(bars.classes().sum(0)[None])[0]) + 1)


def choose(control: Control, ids: Ids) -> tuple[ChosenControl, ...]:
    """The ids (N, parts) as a user writes them; a bar without a value is left open."""
    return tuple(
        ChosenControl(str(bar), control.name, " ".join(control.values[i - 1] for i in row))
        for bar, row in enumerate(ids.tolist(), 1)
        if all(row)
    )


def line(name: str, obeyed: Share, other: Share | None, corpus: Share | None) -> dict[str, Any]:
    """A row of the table."""
    return {
        "control": name,
        "measured": LINES[name].measured,
        "obeyed": percent(obeyed),
        "without the control": percent(other),
        "corpus": percent(corpus),
        "goal": LINES[name].goal,
    }


def percent(share: Share | None) -> str:
    """As text."""
    if share is None or not share.trials:
        return "–"
    return f"{100 * share.hits / share.trials:.1f} %"


def total(shares: Iterable[Share]) -> Share:
    """All of them together."""
    hits, trials = np.sum([*shares], axis=0).tolist()
    return Share(hits, trials)


def free_share(judge: Callable[[Bars], Share], pieces: Iterable[Bars]) -> Share:
    """What pieces do without being asked."""
    return total(judge(bars) for bars in pieces)


def last_bar(bars: Bars) -> int:
    """The number of bars up to the last one in which a note begins."""
    onsets = bars.notes.start
    return int(bars.bar_of(onsets[-1:])[0]) + 1 if len(onsets) else 0


def _key(control: Control, ids: Ids, bars: Bars) -> Share:
    found = int(nearest_keys(bars.classes().sum(0)[None])[0]) + 1
    return Share(int(found == ids[0, 0]), 1)


def _same(control: Control, ids: Ids, bars: Bars) -> Share:
    """Bars with the chosen value."""
    known, found = ids[:, 0] > 0, control.measure(bars)
    return Share(int((found == ids)[known, 0].sum()), int(known.sum()))


def _near(control: Control, ids: Ids, bars: Bars) -> Share:
    """Bars with the chosen value or one beside it; a bar of rest has none."""
    known, found = ids[:, 0] > 0, control.measure(bars).astype(np.int64)
    near = (found > 0) & (np.abs(found - ids) <= 1)
    return Share(int(near[known, 0].sum()), int(known.sum()))


def _within(control: Control, ids: Ids, bars: Bars) -> Share:
    """Bars in which no note is beyond the limit."""
    pitch, bar = bars.pitched.pitch, bars.bar_of(bars.pitched.start)
    limit = ids[bar, 0].astype(np.int64) - 1
    beyond = pitch > limit if control.name == "highest" else pitch < limit
    known = ids[:, 0] > 0
    bad = np.bincount(bar[beyond & known[bar]], minlength=len(ids)) > 0
    return Share(int((known & ~bad).sum()), int(known.sum()))


def _chord(control: Control, ids: Ids, bars: Bars) -> Share:
    """Notes that begin on a strong beat, and are tones of the chord of that half of the bar."""
    notes = bars.pitched
    parts = control.parts
    edges = bars.edges(parts)
    place = np.searchsorted(edges, notes.start)
    even = strong_middles(bars)
    strong = edges[np.minimum(place, len(edges) - 1)] == notes.start
    strong &= (place % parts == 0) | even[np.minimum(place // parts, len(even) - 1)]
    chord = ids.reshape(-1)[place[strong]].astype(np.int64)
    templates = np.array([chord_tones(value) for value in control.values])
    known = (chord > 0) & (chord < len(control.values))  # the last value is "no chord"
    tones = templates[chord[known] - 1, notes.pitch[strong][known] % 12]
    return Share(int(tones.sum()), int(known.sum()))


def strong_middles(bars: Bars) -> NDArray[np.bool_]:
    """(N,) whether the middle of a bar is a strong beat: of 4 beats, or of two groups of them."""
    found = bars.metres
    section = np.searchsorted(found.start, bars.lines[:-1], "right") - 1
    return np.isin(found.numerator[section], (4, 6, 8, 12))


def chord_tones(name: str) -> NDArray[np.bool_]:
    """(12,) the pitch classes of a chord as the control names it; none of "N"."""
    root, quality = re.fullmatch(r"([A-G][#b]?|N)(.*)", name).groups()  # type: ignore[union-attr]
    steps = {"": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "dim": (0, 3, 6), "aug": (0, 4, 8)}
    tonic = pitch_class(root)
    classes = [] if tonic is None else [(tonic + step) % 12 for step in steps[quality]]
    return np.isin(np.arange(12), classes)


def _ending(bars: Bars) -> Share:
    """Whether the music has as many bars as were asked for, and the last one has notes."""
    fits = len(bar_lines(bars.score)) - 1 == BARS == last_bar(bars)
    return Share(int(fits), 1)


def _cadence(bars: Bars) -> Share:
    """Whether the lowest note that sounds at the last onset is the tonic of all these bars."""
    notes = bars.pitched
    if not len(notes) or last_bar(bars) < len(bars):
        return Share(0, 1)
    key = int(nearest_keys(bars.classes().sum(0)[None])[0])
    return Share(int(ends_on_tonic(notes, key)), 1)


LINES = {
    "metre": Line("bars with the chosen metre", _same, "100 %"),
    "tempo": Line("bars with the chosen tempo", _same, "100 %"),
    "lowest": Line("bars without a lower note", _within, "100 %"),
    "highest": Line("bars without a higher note", _within, "100 %"),
    "ending": Line("pieces with exactly the bars that were asked for", _same, "100 %"),
    "density": Line("bars in the chosen class or the next", _near, "≥ 90 %"),
    "polyphony": Line("bars in the chosen class or the next", _near, "≥ 90 %"),
    "key": Line("pieces in the chosen key", _key, "≥ 85 %"),
    "chord": Line("notes on strong beats that are chord tones", _chord, "≥ 80 %"),
    "cadence": Line("pieces with the tonic in the bass of the last chord", _same, "≥ 70 %"),
}


if __name__ == "__main__":
    main()
