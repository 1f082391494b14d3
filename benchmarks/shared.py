"""Training and sampling beside busy processes: the share of the CPU that they keep.

    python -m benchmarks.shared [--seconds 6] [--rounds 3] [--save]

Two busy processes per core run for the length of a measurement. A row's speed under load is set
beside its speed alone times its fair share of the cores: a process with as many threads as cores
gets 1/3 of each. Speed alone and under load are measured in turn; medians count. Work per CPU
second tells time that is lost by spinning from waiting for a core. Other load on the machine lowers
both speeds.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

from benchmarks.keep import keep

BUSY = 2  # processes per core
ACTIVE = {"OMP_WAIT_POLICY": "active", "GOMP_SPINCOUNT": "infinite", "KMP_BLOCKTIME": "infinite"}
DEFAULT: Mapping[str, str] = {}
WAYS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "musictk": ("import musictk.threads; musictk.threads.wait_passively()", DEFAULT),
    "torch as it is": ("", DEFAULT),
    "torch, active waiting": ("", ACTIVE),
}
TRAIN = """
import time, torch
from musictk.plugin import registry
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.tokens import Tokens
from musictk.training.objective import NextPosition
from musictk.training.optimizer import make_optimizers
from musictk.training.settings import Optimisation
torch.set_num_threads({threads})
space = Tokens(419)
kind = registry().load("architecture", "gpt")
network = Network(kind(config_for(kind, "tiny")), space, {{}}, NetworkConfig()).train()
objective, (optimizer,) = NextPosition(network, space), make_optimizers(network, Optimisation())
ids = torch.randint(3, 419, (4, 257))
mask, none = torch.ones(4, 256, dtype=torch.bool), torch.zeros(4, 0, dtype=torch.int64)
def step():
    with torch.autocast("cpu", torch.bfloat16):
        cost = objective(ids[:, :-1], ids[:, 1:], mask, none).mean()
    cost.backward(); optimizer.step(); optimizer.zero_grad()
"""
SAMPLE = """
import time, torch
from musictk.plugin import registry
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import config_for
from musictk.tokens import Tokens
torch.set_num_threads({threads})
space = Tokens(419)
kind = registry().load("architecture", "gpt")
network = Network(kind(config_for(kind, "tiny")), space, {{}}, NetworkConfig()).eval()
condition = network.condition(torch.zeros(1, 0, dtype=torch.int64))
state = network.begin(1, 4096)
one = torch.full((1, 1), 5)
@torch.inference_mode()
def step():
    global state
    if state is None or count % 1024 == 1023:
        state = network.begin(1, 4096)
    _, state = network(one, condition, state)
"""
LOOP = """
import subprocess, sys
count = 0
def rate():
    global count
    begin, used, first = time.perf_counter(), time.process_time(), count
    while (now := time.perf_counter()) < begin + {seconds}:
        step(); count += 1
    done = max(count - first, 1)
    return done / (now - begin), done / (time.process_time() - used)
for _ in range(3):
    step()
for _ in range({rounds}):
    alone = rate()
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range({busy})]
    try:
        time.sleep(0.5)
        loaded = rate()
    finally:
        for each in busy:
            each.kill()
            each.wait()
    print(*alone, *loaded, flush=True)
"""


def speeds(work: str, way: str, threads: int, busy: int, flags: argparse.Namespace) -> list[float]:
    """Steps per second and per CPU second alone, then under load: the medians."""
    before, environment = WAYS[way]
    loop = LOOP.format(seconds=flags.seconds, rounds=flags.rounds, busy=busy)
    # Passive waiting has to be chosen before torch is imported.
    script = f"{before}\n{work.format(threads=threads)}{loop}"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("OMP_")}
    done = subprocess.run(
        [sys.executable, "-c", script],
        env={**kept, **environment},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    rounds = [list(map(float, line.split())) for line in done.stdout.splitlines()]
    return [statistics.median(column) for column in zip(*rounds, strict=True)]


def measure(flags: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """One row for each kind of work, way to wait, and number of threads."""
    cores = len(os.sched_getaffinity(0))
    cases = [("training", TRAIN, way, cores) for way in WAYS]
    cases += [("training", TRAIN, "musictk", 1), ("sampling", SAMPLE, "musictk", 1)]
    for kind, work, way, threads in cases:
        alone, per_cpu, loaded, loaded_per_cpu = speeds(work, way, threads, BUSY * cores, flags)
        # Each of the threads competes with the busy processes for the cores.
        fair = min(cores / (BUSY * cores + threads), 1)
        yield {
            "work": f"{kind}, {threads} thread{'s' * (threads > 1)}",
            "waiting": way,
            "of its fair share": f"{loaded / (alone * fair):.2f}",
            "work per CPU second, loaded / alone": f"{loaded_per_cpu / per_cpu:.2f}",
            "steps/s alone": f"{alone:.1f}",
            "under load": f"{loaded:.1f}",
        }


def main() -> None:
    """Measure, print and perhaps keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=6.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    flags = parser.parse_args()
    rows = []
    for row in measure(flags):
        rows.append(row)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    if flags.save:
        title = f"Beside {BUSY} busy processes per core"
        note = "gpt tiny, bf16 training and fp32 sampling with state; other work ran on the machine"
        keep("shared", title, f"--seconds {flags.seconds:g} --rounds {flags.rounds}", rows, note)


if __name__ == "__main__":
    main()
