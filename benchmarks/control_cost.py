"""What controls cost in sampling: CPU time of equally many tokens with and without them.

    python -m benchmarks.control_cost BUNDLE [--tokens 512] [--rounds 12] [--profile]

    none      no controls
    all       a value of every control, in every bar, at guidance 1
    strict    the same with --strict

The three take turns, so that whatever else the machine does falls on all of them alike. Medians of
the ratio to `none` in the same round, with the quartiles.
"""

from __future__ import annotations

import argparse
import cProfile
import pstats
import time
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.keep import keep
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.runtime import Runtime, load

VALUES = {
    "key": "C major",
    "chord": "C | F | G | C",
    "metre": "4/4",
    "tempo": "120",
    "density": "3",
    "polyphony": "2",
    "lowest": "C2",
    "highest": "C6",
}


def main() -> None:
    parser = argparse.ArgumentParser(description="The cost of controls in sampling.")
    parser.add_argument("bundle", type=Path, help="a bundle or an export")
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--profile", action="store_true", help="print where the time goes")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    flags = parser.parse_args()
    runtime = load(flags.bundle, threads=1)
    asked = {name: request(runtime, flags.tokens, name) for name in ("none", "all", "strict")}
    seconds: dict[str, list[float]] = {name: [] for name in asked}
    for number in range(-1, flags.rounds):
        for name, each in asked.items():
            took = run(runtime, each)
            if number >= 0:  # the first round warms up
                seconds[name].append(took)
    rows = [row(name, took, seconds["none"], flags.tokens) for name, took in seconds.items()]
    for line in rows:
        print("  ".join(f"{key}: {value}" for key, value in line.items()))
    if flags.profile:
        profile(runtime, asked["all"])
    if flags.save:
        manifest = runtime.manifest
        note = f"{manifest.architecture} on {manifest.tokenizer}, {flags.tokens} tokens, 1 thread"
        title, given = "Sampling with controls", f"BUNDLE --tokens {flags.tokens}"
        keep("control_cost", title, given, rows, note)


def request(runtime: Runtime, tokens: int, name: str) -> PieceRequest:
    """Equally many tokens, whatever bars they make."""
    known = [each.name for each in runtime.manifest.controls.made if not each.structural]
    chosen = [("", each, value) for each, value in VALUES.items() if each in known]
    sampling = {"max_tokens": tokens, "guidance": 1.0, "strict": name == "strict"}
    return PieceRequest.read(
        {"seed": 1, "bars": 256, "sampling": sampling}
        | {"controls": [] if name == "none" else chosen}
    )


def run(runtime: Runtime, asked: PieceRequest) -> float:
    """CPU seconds."""
    tokenizer = runtime.manifest.make_tokenizer()
    begun = time.process_time()
    (piece,) = compose(runtime, tokenizer, asked)
    took = time.process_time() - begun
    assert len(piece.sequence) == asked.sampling.max_tokens
    return took


def row(name: str, took: list[float], none: list[float], tokens: int) -> dict[str, Any]:
    """One line of the table."""
    low, middle, high = np.percentile(np.array(took) / np.array(none), [25, 50, 75])
    each = 1e6 * float(np.median(took)) / tokens
    ratio = f"{middle:.3f} [{low:.3f}, {high:.3f}]"
    return {"controls": name, "us per token": f"{each:.0f}", "of none": ratio}


def profile(runtime: Runtime, asked: PieceRequest) -> None:
    """Print the functions that take the most time."""
    profiler = cProfile.Profile()
    profiler.enable()
    run(runtime, asked)
    profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(28)


if __name__ == "__main__":
    main()
