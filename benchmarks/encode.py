"""Encoding against MidiTok's on the same files: files and tokens per second of one core.

    python -m benchmarks.encode FOLDER [--files 100] [--rounds 3]

Both encode the same parsed scores in turns, without rests, where their ids are equal bit for bit
(checked here too); MidiTok is given music that is on the grid already, tracks merged. Then `events`
and `pianoroll` on the same scores. The median of the rounds is printed.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig, miditok_of
from musictk_remi.quantise import prepared
from musictk_remi.tokenizer import Remi


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    asked = parser.parse_args()
    paths = sorted(asked.folder.rglob("*.mid"))
    chosen = random.Random(0).sample(paths, min(asked.files, len(paths)))
    scores = [ScoreTick.from_file(path) for path in chosen]

    config = RemiConfig(rests=False)
    ours, theirs = Remi(config), miditok_of(config)
    ready = [prepared(score, ours.vocabulary) for score in scores]
    for score, merged in zip(scores, ready, strict=True):
        if not np.array_equal(ours.encode(score), theirs.encode(merged)[0].ids):
            raise SystemExit("the two disagree")
    contestants: dict[str, tuple[Callable[[Any], Any], Sequence[ScoreTick]]] = {
        "remi": (ours.encode, scores),
        "MidiTok REMI": (theirs.encode, ready),
        "remi with rests": (Remi(RemiConfig()).encode, scores),
        "events": (Events(EventsConfig()).encode, scores),
        "pianoroll": (PianoRoll(PianoRollConfig()).encode, scores),
    }
    spent: dict[str, list[float]] = {name: [] for name in contestants}
    for _ in range(asked.rounds):
        for name, (encode, music) in contestants.items():
            began = time.process_time()
            for score in music:
                encode(score)
            spent[name].append(time.process_time() - began)
    median = {name: statistics.median(times) for name, times in spent.items()}
    rows = [
        {
            "tokenizer": name,
            "files/s/core": round(len(scores) / seconds),
            "× MidiTok": round(median["MidiTok REMI"] / seconds, 1),
        }
        for name, seconds in median.items()
    ]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if asked.save:
        note = f"{len(scores)} parsed files, medians over {asked.rounds} interleaved rounds"
        keep("encode", "Encoding", f"FOLDER --files {len(scores)}", rows, note)


if __name__ == "__main__":
    main()
