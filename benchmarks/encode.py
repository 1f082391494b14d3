"""Encoding against MidiTok's on the same files: files per second of one core.

    python -m benchmarks.encode FOLDER [FOLDER …] [--files 200] [--rounds 3]

For each folder and each choice of options both encode the same parsed scores in turns. MidiTok is
given music that is on the grid already, with its tracks merged. The ids of both are compared: all
of them, or with rests those of notes, since MidiTok's rests cross bar lines. `events` and
`pianoroll` encode the same scores. Medians of the rounds are printed.
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
from numpy.typing import NDArray
from symusic.core import ScoreTick

from benchmarks.keep import keep
from musictk.reading import Limits, RejectedError, read_midi
from musictk.tokens import Tokenizer
from musictk_events.tokenizer import Events, EventsConfig
from musictk_pianoroll.tokenizer import PianoRoll, PianoRollConfig
from musictk_remi.config import RemiConfig, miditok_of
from musictk_remi.quantise import prepared
from musictk_remi.tokenizer import Remi

OPTIONS: dict[str, dict[str, Any]] = {
    "remi": {"rests": False},
    "remi, no tempos or metres": {"rests": False, "tempos": False, "time_signatures": False},
    "remi, programs": {"rests": False, "programs": True},
    "remi, rests": {},
    "remi, rests and programs": {"programs": True},
}
NOTE = ("Pitch", "Velocity", "Duration")


def chosen(folder: Path, count: int, tokenizer: Tokenizer) -> list[ScoreTick]:
    """The scores of some files of a folder that the tokenizer can encode."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".mid", ".midi"))
    scores = []
    for path in random.Random(0).sample(paths, min(count, len(paths))):
        try:
            score = read_midi(path.read_bytes(), Limits()).score
            tokenizer.encode(score)
        except (RejectedError, ValueError):
            continue
        scores.append(score)
    return scores


def seconds(encode: Callable[[Any], Any], music: Sequence[ScoreTick]) -> float:
    began = time.process_time()
    for score in music:
        encode(score)
    return time.process_time() - began


def ids_of(tokens: Any) -> NDArray[np.int64]:
    """The ids that MidiTok gives for one stream."""
    return np.array((tokens[0] if isinstance(tokens, list) else tokens).ids)


def compared(
    name: str, options: dict[str, Any], scores: list[ScoreTick], rounds: int
) -> dict[str, Any]:
    """One row: both tokenizers on the same scores. Ends the program where their ids differ."""
    config = RemiConfig(**options)
    ours, theirs = Remi(config), miditok_of(config)
    ready = [prepared(score, ours.vocabulary) for score in scores]
    notes = np.isin(ours.vocabulary.kinds, NOTE)
    for score, merged in zip(scores, ready, strict=True):
        mine, other = ours.encode(score), ids_of(theirs.encode(merged))
        if config.rests:
            mine, other = mine[notes[mine]], other[notes[other]]
        if not np.array_equal(mine, other):
            raise SystemExit(f"the two disagree: {name}")
    spent = [(seconds(ours.encode, scores), seconds(theirs.encode, ready)) for _ in range(rounds)]
    mine, other = (statistics.median(column) for column in zip(*spent, strict=True))
    return {
        "tokenizer": name,
        "files": len(scores),
        "files/s/core": round(len(scores) / mine),
        "MidiTok": round(len(scores) / other),
        "× MidiTok": round(statistics.median(slow / fast for fast, slow in spent), 1),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("folders", type=Path, nargs="+", metavar="FOLDER")
    parser.add_argument("--files", type=int, default=200, help="of each folder")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    asked = parser.parse_args()
    rows: list[dict[str, Any]] = []
    for folder in asked.folders:
        scores = chosen(folder, asked.files, Remi(RemiConfig()))
        for name, options in OPTIONS.items():
            row = compared(name, options, scores, asked.rounds)
            rows.append({"folder": folder.name} | row)
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
        others: dict[str, Tokenizer] = {
            "events": Events(EventsConfig()),
            "pianoroll": PianoRoll(PianoRollConfig()),
        }
        for name, tokenizer in others.items():
            took = [seconds(tokenizer.encode, scores) for _ in range(asked.rounds)]
            rate = round(len(scores) / statistics.median(took))
            rows.append({"folder": folder.name, "tokenizer": name, "files": len(scores)})
            rows[-1] |= {"files/s/core": rate, "MidiTok": "", "× MidiTok": ""}
            print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    if asked.save:
        note = f"parsed files, medians over {asked.rounds} interleaved rounds; ids compared"
        keep("encode", "Encoding", f"FOLDER … --files {asked.files}", rows, note)


if __name__ == "__main__":
    main()
