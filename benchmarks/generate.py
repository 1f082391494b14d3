"""How fast one stream of 2,048 tokens is on a CPU, engine by engine, and how far from the limit.

    python -m benchmarks.generate [--arch gpt] [--size small] [--tokens 2048] [--threads 1]

The engines take turns, a segment of tokens each, so that whatever else the machine does falls on
all of them alike. The same network without state, which runs its whole context again for every
token, is timed at the end of each segment and summed over all tokens between (its cost is smooth
in the length; at `--size base` really running it takes hours). The limit: a step must read every
weight and the state of its context once, at the bandwidth this machine copies memory with.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.keep import keep
from musictk.config import plain
from musictk.export import export_onnx, export_torchscript
from musictk.export.replay import greedy
from musictk.model import bundle
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.runtime import Runtime, Session, load
from musictk.testing.exports import Blank, write_untrained
from musictk.tokens import Tokens

SPACE = Tokens(419)  # the vocabulary of the field's usual REMI settings
WEIGHT_BYTES = {"onnx int8": 1}  # per weight; all others 4
MOVED = 2 << 28  # bytes that `copy_memory` reads and writes


def main() -> None:
    parser = argparse.ArgumentParser(description="Tokens per second, engine by engine.")
    parser.add_argument("--arch", default="gpt")
    parser.add_argument("--size", default="small", choices=SIZES)
    parser.add_argument("--tokens", type=int, default=2048)
    parser.add_argument("--segments", type=int, default=16)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    with tempfile.TemporaryDirectory() as place:
        source = Path(place) / "torch"
        kind = registry().load("architecture", chosen.arch)
        config = config_for(kind, chosen.size, {"max_length": chosen.tokens})
        write_untrained(source, chosen.arch, Blank(SPACE), **plain(config))
        runtimes = export(source, chosen.threads)
        network, manifest = bundle.read(source)
        seconds = race(runtimes, network, chosen.tokens, chosen.segments)
    rows = table(seconds, network, manifest, chosen.tokens)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if chosen.save:
        size = f"{read_per_step(network) / 1e6:.1f} M weights read a step"
        note = f"{chosen.tokens} tokens, one row, {chosen.threads} thread(s), {size}"
        title, flags = f"Generation, {chosen.arch} {chosen.size}", f"--arch {chosen.arch}"
        keep("generate", title, f"{flags} --size {chosen.size}", rows, note)


def export(source: Path, threads: int) -> dict[str, Runtime]:
    """Every engine, by the name it is reported under."""
    export_torchscript(source, source.with_name("ts"))
    export_onnx(source, source.with_name("onnx"))
    export_onnx(source, source.with_name("int8"), "int8", least=0)  # an untrained network
    return {
        "eager, state": load(source, "torch", threads, "cpu"),
        "torchscript": load(source.with_name("ts"), "torchscript", threads, "cpu"),
        "onnx fp32": load(source.with_name("onnx"), None, threads, "cpu"),
        "onnx int8": load(source.with_name("int8"), None, threads, "cpu"),
    }


def race(
    runtimes: dict[str, Runtime], network: Network, tokens: int, segments: int
) -> dict[str, list[float]]:
    """CPU seconds per token of each engine in each segment."""
    length = tokens // segments
    sessions = {name: runtime.begin(1, tokens) for name, runtime in runtimes.items()}
    last = {name: SPACE.start(1) for name in runtimes}
    condition = np.zeros((1, network.body.dim), np.float32)
    seconds: dict[str, list[float]] = {name: [] for name in ["no state", *runtimes]}
    for segment in range(segments):
        seconds["no state"].append(whole(network, length * segment + length // 2))
        for name, session in sessions.items():
            start = time.process_time()
            last[name] = play(session, last[name], condition, length)
            seconds[name].append((time.process_time() - start) / length)
    return seconds


def play(
    session: Session, token: NDArray[np.int64], condition: NDArray[np.float32], count: int
) -> NDArray[np.int64]:
    """`count` greedy steps; the last token."""
    for _ in range(count):
        token = greedy(SPACE, session.step(token, condition))
    return token


def whole(network: Network, length: int) -> float:
    """CPU seconds of one token without state: the whole context of `length` runs again."""
    sequence = torch.full((1, length), SPACE.bos)
    condition = torch.zeros(1, network.body.dim)
    times = []
    for _ in range(3):
        start = time.process_time()
        with torch.inference_mode():
            network(sequence, condition, network.begin(1, 0))
        times.append(time.process_time() - start)
    return statistics.median(times)


def table(
    seconds: dict[str, list[float]], network: Network, manifest: Manifest, tokens: int
) -> list[dict[str, Any]]:
    """One row an engine: its speed, against two others, and against what memory could give."""
    state, speed = state_bytes(manifest, tokens // 2), bandwidth()
    weights, rows = read_per_step(network), []
    for name, each in seconds.items():
        mean = statistics.fmean(each)
        limit = speed / (weights * WEIGHT_BYTES.get(name, 4) + state)
        stated = name != "no state"
        rows.append(
            {
                "engine": name,
                "tokens/s": round(1 / mean, 1),
                "× no state": round(statistics.fmean(seconds["no state"]) / mean, 1),
                "× eager": round(ratio(seconds["eager, state"], each), 2),
                "limit by memory, tokens/s": round(limit) if stated else "",
                "reached": f"{100 / mean / limit:.0f} %" if stated else "",
            }
        )
    return rows


def ratio(slow: list[float], fast: list[float]) -> float:
    """How many times as fast, median over segments that ran side by side."""
    return statistics.median(a / b for a, b in zip(slow, fast, strict=True))


def read_per_step(network: Network) -> int:
    """How many weights one step reads: all but the tables it takes single rows of."""
    tables = {
        id(module.weight)
        for name, module in network.named_modules()
        if isinstance(module, torch.nn.Embedding) and name != "stem.embedding"
    }
    return sum(p.numel() for p in network.parameters() if id(p) not in tables)


def state_bytes(manifest: Manifest, length: int) -> int:
    """Bytes of one row's state that a step at `length` reads."""
    return sum(
        int(np.prod(slot.concrete(1, length))) * np.dtype(slot.dtype).itemsize
        for slot in manifest.slots
    )


def bandwidth() -> float:
    """Bytes per CPU second that one thread moves when it copies 256 MB (read and written)."""
    times = []
    for _ in range(15):
        start = time.process_time()
        copy_memory()
        times.append(time.process_time() - start)
    return MOVED / min(times)


def copy_memory() -> None:
    """Copy 256 MB: MOVED bytes are read or written."""
    source, target = _buffers()
    np.copyto(target, source)


@cache
def _buffers() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return np.ones(MOVED // 8, np.float32), np.empty(MOVED // 8, np.float32)


if __name__ == "__main__":
    main()
