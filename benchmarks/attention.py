"""What windowed attention in blocks saves over the same attention as one masked square.

    python -m benchmarks.attention [--lengths 1024 2048 4096] [--rounds 3] [--save]

Forward and backward of the conformer's windowed kernel on one CPU thread, in CPU time, interleaved;
then a training step of the whole conformer, beside the operations it has to do.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.keep import keep
from musictk.model.cost import flops_per_position, parameters
from musictk.model.network import Network, NetworkConfig, loss
from musictk.model.sizes import SIZES, config_for
from musictk.model.windowed import WindowedAttention, WindowMask
from musictk.plugin import registry
from musictk.tokens import Tokens

WINDOW, HEADS, HEAD_DIM = 256, 8, 64
SPACE = Tokens(419)


def blocked(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """The kernel as it trains."""
    start, none = torch.zeros(len(q), dtype=torch.int64), q.new_zeros(len(q), HEADS, 0, HEAD_DIM)
    mask = WindowMask(WINDOW)(start, q.shape[2], False)
    return WindowedAttention(WINDOW, HEAD_DIM)(q, k, v, mask, none, none)[0]


def square(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What one would write first: every pair, most of them masked."""
    i = torch.arange(q.shape[2])
    distance = i[:, None] - i
    mask = (distance >= 0) & (distance <= WINDOW)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def forward_backward(kernel: Callable[..., Tensor], *inputs: Tensor) -> None:
    """Both directions."""
    kernel(*inputs).sum().backward()  # type: ignore[no-untyped-call]


def kernels(length: int, rounds: int) -> list[dict[str, Any]]:
    """Medians of both, at one length."""
    taken: dict[str, list[float]] = {"square, masked": [], "blocks": []}
    for turn in range(rounds + 1):
        for name, kernel in (("square, masked", square), ("blocks", blocked)):
            q, k, v = (
                torch.randn(1, HEADS, length, HEAD_DIM, requires_grad=True) for _ in range(3)
            )
            seconds = cpu_seconds(partial(forward_backward, kernel, q, k, v))
            if turn:
                taken[name].append(seconds)
    return [
        {"run": f"window {WINDOW}, {name}", "length": length,
         "positions/s": round(length / statistics.median(values))}
        for name, values in taken.items()
    ]  # fmt: skip


def training(size: str, length: int, rounds: int) -> dict[str, Any]:
    """A step of the conformer without its optimizer: forward, loss, backward."""
    kind = registry().load("architecture", "conformer")
    network = Network(kind(config_for(kind, size)), SPACE, {}, NetworkConfig()).train()
    sequence, condition = torch.randint(3, 419, (1, length + 1)), torch.zeros(1, network.body.dim)

    def step() -> None:
        logits, _ = network(sequence[:, :-1], condition, network.begin(1, 0))
        loss(logits, sequence[:, 1:], SPACE).mean().backward()  # type: ignore[no-untyped-call]

    seconds = statistics.median([cpu_seconds(step) for _ in range(rounds + 1)][1:])
    needed = 3 * flops_per_position(network, SPACE, length)
    return {
        "run": f"conformer {size}, {parameters(network) / 1e6:.1f} M parameters",
        "length": length,
        "positions/s": round(length / seconds),
        "GFLOP/s": round(needed * length / seconds / 1e9, 1),
        "MFLOP a position": round(needed / 1e6),
    }


def cpu_seconds(action: Callable[[], object]) -> float:
    """Of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lengths", type=int, nargs="+", default=[1024, 2048, 4096])
    parser.add_argument("--sizes", nargs="+", default=["tiny", "small"], choices=SIZES)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    rows = [row for length in arguments.lengths for row in kernels(length, arguments.rounds)]
    rows += [training(size, 1024, arguments.rounds) for size in arguments.sizes]
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if arguments.save:
        note = f"positions per CPU second, medians over {arguments.rounds} interleaved runs"
        keep("attention", "Windowed attention, forward and backward", "", rows, note)


if __name__ == "__main__":
    main()
