"""Damaged MIDI files through the reader and every tokenizer of music.

    python -m tests.fuzz.midi [--inputs 1000000] [--seed 1] [--keep DIRECTORY]

Every input must be rejected with a reason, or give music whose facts can be measured and that each
tokenizer encodes within its vocabulary or refuses with a ValueError. Inputs are a function of the
seed and their number. What fails is kept in DIRECTORY, also where it ends the process: inputs run
in a child process, which writes each to disk before it is tried. Exit code 1 if anything failed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from musictk.errors import MusictkError
from musictk.music import Clock, notes
from musictk.plugin import registry
from musictk.reading.facts import piece_facts
from musictk.reading.limits import Limits
from musictk.reading.read import read_midi
from musictk.reading.reasons import RejectedError
from musictk.tokens import Tokenizer, Tokens

ROOT = Path(__file__).parents[2]
BATCH = 20_000  # inputs of one child process
LIMITS = Limits(tokens=20_000, bars=2_000)  # accept nothing that takes long to encode
# Values that are read as lengths, statuses, ends of numbers and kinds of events.
BYTES = (0x00, 0x01, 0x04, 0x7F, 0x80, 0x81, 0x90, 0x9F, 0xC0, 0xE0, 0xF0, 0xF7, 0xFE, 0xFF)
EVENTS = (
    *(b"\0\xff\x51\3\0\0\1", b"\0\xff\x51\0", b"\0\xff\x58\4\xff\6\x18\x08", b"\0\xff\x58\2\1\7"),
    *(b"\0\xff\x59\2\x80\xff", b"\0\xff\x21\1\xff", b"\0\xff\x2f\0", b"\0\xff\x03\x02\xe9\xff"),
    *(b"\0\x90\x3c\x40", b"\0\x80\x3c\0", b"\0\xc0\x7f", b"\0\xf0\x05\x7e\x7f\x09\x03\xf7"),
    *(b"\xff\xff\xff\x7f\x90\x3c\x40", b"\x81\0\x99\x24\x7f", b"\0\xf7\2\x90\x3c", b"\0\xf4"),
)


@cache
def seeds() -> list[bytes]:
    """Sound, odd and broken files to begin with, the small ones."""
    folders = (ROOT / "tests" / "data", ROOT / "examples" / "midis")
    paths = sorted(path for folder in folders for path in folder.rglob("*.mid"))
    return [path.read_bytes() for path in paths if path.stat().st_size < 4096]


@cache
def tokenizers() -> list[Tokenizer]:
    """Every tokenizer of music as it is by default, and remi with its programs."""
    found: list[Tokenizer] = []
    for offer in registry().offers("tokenizer"):
        kind = offer.load()
        if "midi" in kind.reads:
            found.append(kind(kind.Config()))
    remi = registry().load("tokenizer", "remi")
    return [*found, remi(remi.Config(programs=True))]


def flip(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] = int(rng.integers(256))


def put(data: bytearray, rng: np.random.Generator) -> None:
    data[int(rng.integers(len(data)))] = BYTES[int(rng.integers(len(BYTES)))]


def remove(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    del data[start : start + int(rng.integers(1, 9))]


def repeat(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data)))
    part = data[start : start + int(rng.integers(1, 33))]
    data[start:start] = part * int(rng.integers(1, 9))


def insert(data: bytearray, rng: np.random.Generator) -> None:
    start = int(rng.integers(len(data) + 1))
    data[start:start] = EVENTS[int(rng.integers(len(EVENTS)))]


def cut(data: bytearray, rng: np.random.Generator) -> None:
    del data[int(rng.integers(1, len(data) + 1)) :]


def splice(data: bytearray, rng: np.random.Generator) -> None:
    other = seeds()[int(rng.integers(len(seeds())))]
    data[int(rng.integers(len(data))) :] = other[int(rng.integers(len(other) + 1)) :]


DAMAGE: Sequence[Callable[[bytearray, np.random.Generator], None]] = (
    *(flip, flip, put, put, put, remove, repeat, insert, insert, insert, cut, splice),
)


def damaged(seed: int, number: int) -> bytes:
    """Input `number` of `seed`."""
    rng = np.random.Generator(np.random.Philox(key=np.array([seed, number], np.uint64)))
    data = bytearray(seeds()[int(rng.integers(len(seeds())))])
    for _ in range(int(rng.integers(1, 4))):
        if data:
            DAMAGE[int(rng.integers(len(DAMAGE)))](data, rng)
    return bytes(data)


def check(data: bytes) -> str:
    """What became of an input: "accepted", or why it was rejected. Raises for a fault."""
    try:
        score = read_midi(data, LIMITS).score
        facts = piece_facts(score, notes(score), Clock(score), LIMITS)
    except RejectedError as error:
        return str(error.reason)
    assert facts["notes"] == score.note_num() > 0
    for tokenizer in tokenizers():
        try:
            sequence = tokenizer.encode(score)
        except (ValueError, MusictkError):
            continue
        in_range(tokenizer, sequence)
    return "accepted"


def in_range(tokenizer: Tokenizer, sequence: Any) -> None:
    space = tokenizer.space
    if isinstance(space, Tokens):
        assert sequence.min(initial=0) >= 0, f"{tokenizer.name}: {sequence.min()}"
        assert sequence.max(initial=0) < space.size, f"{tokenizer.name}: {sequence.max()}"
    else:
        assert sequence.max(initial=0) <= 1, tokenizer.name


def run_batch(seed: int, first: int, count: int, keep: Path) -> Counter[str]:
    """Check inputs; those that fail are written to `keep`."""
    found: Counter[str] = Counter()
    with (keep / f"last-{os.getpid()}").open("wb", buffering=0) as last:
        for number in range(first, first + count):
            data = damaged(seed, number)
            last.seek(0)
            last.truncate()
            last.write(data)
            try:
                found[check(data)] += 1
            except Exception as error:
                found["FAULT " + repr(error)[:80]] += 1
                (keep / f"fault-{seed}-{number}.mid").write_bytes(data)
    return found


def run(inputs: int, seed: int, keep: Path) -> Counter[str]:
    """Batches in child processes, so that one that dies is a finding and not the end."""
    found: Counter[str] = Counter()
    for first in range(0, inputs, BATCH):
        count = min(BATCH, inputs - first)
        arguments = [seed, "--first", first, "--inputs", count, "--keep", keep]
        command = [sys.executable, "-X", "faulthandler", "-m", "tests.fuzz.midi", "--seed"]
        child = subprocess.Popen(
            [*command, *map(str, arguments)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        out, _ = child.communicate()
        for line in out.splitlines():
            times, _, what = line.partition(" ")
            found[what] += int(times)
        if child.returncode < 0:
            found[f"DEATH by signal {-child.returncode}"] += 1
            (keep / f"last-{child.pid}").rename(keep / f"death-{seed}-{first}.mid")
        (keep / f"last-{child.pid}").unlink(missing_ok=True)
        print(f"{first + count:,} inputs: {dict(found)}", file=sys.stderr, flush=True)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path, default=Path("fuzz"))
    parser.add_argument("--first", type=int, help="check one batch in this process")
    asked = parser.parse_args()
    asked.keep.mkdir(parents=True, exist_ok=True)
    if asked.first is None:
        found = run(asked.inputs, asked.seed, asked.keep.resolve())
    else:
        found = run_batch(asked.seed, asked.first, asked.inputs, asked.keep)
    for what, times in found.most_common():
        print(times, what)
    sys.exit(any(what.startswith(("FAULT", "DEATH")) for what in found))


if __name__ == "__main__":
    main()
