"""Bar lines that a tokenizer puts elsewhere than the score does.

    python -m benchmarks.bars FOLDER [--files N] [--tokenizer remi ...] [--show 10]

Every MIDI file under FOLDER is encoded and decoded. A bar line of the score up to its last onset is
wrong if there is no Bar token at it, and so is a Bar token without a bar line in the score. An
opening bar that is completed shifts all of them by the same time. Differences of up to a 32nd note
are ignored.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk.music import bars, metres, notes
from musictk.tokens import Tokenizer
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

_NEAR = 1 / 8 + 1e-6  # quarter notes: half of the shortest metre
TOKENIZERS: dict[str, Tokenizer] = {
    "remi": Remi(RemiConfig()),
    "events": Events(EventsConfig()),
    "pianoroll": PianoRoll(PianoRollConfig()),
}


def wrong_lines(tokenizer: Tokenizer, score: ScoreTick) -> tuple[int, int]:
    """(bar lines that are wrong, bar lines of the score). Raises ValueError where it is refused."""
    sequence = tokenizer.encode(score)
    decoded = tokenizer.decode(sequence)
    assert not isinstance(decoded, str)
    count = len(tokenizer.bar_starts(sequence))
    marks = [mark.time + 1 for mark in (*decoded.tempos, *decoded.time_signatures)]
    found = bars(decoded, least=max(marks, default=0))[:count] / decoded.ticks_per_quarter
    lines = bars(score)
    last = int(notes(score, drums=False).start[-1])
    written = lines[:-1][lines[:-1] <= last] / score.ticks_per_quarter
    end = last / score.ticks_per_quarter + _NEAR
    shifts = {0.0, _padding(score, lines)}
    apart = (_apart(found[found <= end + shift], written, shift) for shift in shifts)
    return min(apart), len(written)


def _padding(score: ScoreTick, lines: NDArray[np.int64]) -> float:
    """How much an opening bar lacks of a whole one, in quarter notes."""
    found = metres(score)
    section = int(np.searchsorted(found.start, lines[1], "right")) - 1
    whole = 4 * found.numerator[section] / found.denominator[section]
    return max(float(whole - lines[1] / score.ticks_per_quarter), 0.0)


def _apart(found: NDArray[np.float64], written: NDArray[np.float64], shift: float) -> int:
    moved = np.append(0.0, written[1:] + shift)
    return _missing(found, moved) + _missing(moved, found)


def _missing(these: NDArray[np.float64], those: NDArray[np.float64]) -> int:
    """How many of `those` have none of `these` near."""
    after = np.searchsorted(these, those - _NEAR)
    near = np.append(these, np.inf)[after] <= those + _NEAR
    return int((~near).sum())


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=0, help="a random choice of so many")
    parser.add_argument("--tokenizer", choices=TOKENIZERS, nargs="*", default=list(TOKENIZERS))
    parser.add_argument("--show", type=int, default=0, help="name so many of the worst files")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    asked = parser.parse_args(arguments)
    paths = sorted(asked.folder.rglob("*.mid"))
    if asked.files:
        paths = random.Random(0).sample(paths, min(asked.files, len(paths)))
    rows = [_row(name, paths, asked.show) for name in asked.tokenizer]
    if asked.save:
        keep("bars", "Bar lines", f"FOLDER, {len(paths)} files", rows, "bar lines out of place")


def _row(name: str, paths: Sequence[Path], show: int) -> dict[str, object]:
    counts: dict[Path, tuple[int, int]] = {}
    for path in paths:
        try:
            counts[path] = wrong_lines(TOKENIZERS[name], ScoreTick.from_file(path))
        except ValueError:  # nothing in it that this tokenizer can represent
            continue
    wrong, lines = (sum(column) for column in zip(*counts.values(), strict=True))
    row = {
        "tokenizer": name,
        "files": len(counts),
        "bar lines": lines,
        "wrong": wrong,
        "wrong %": round(100 * wrong / lines, 3),
        "files with more than half wrong": sum(2 * bad > all_ for bad, all_ in counts.values()),
    }
    print("  ".join(f"{key} {value}" for key, value in row.items()))
    worst = sorted(counts, key=lambda path: counts[path][0], reverse=True)
    for path in worst[:show]:
        print(f"    {counts[path][0]} of {counts[path][1]}  {path}")
    return row


if __name__ == "__main__":
    main()
