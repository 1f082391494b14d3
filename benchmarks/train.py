"""Training speed of the conformer on one CPU thread, beside what one would take instead.

    python -m benchmarks.train [--size tiny] [--length 1024] [--rounds 5] [--save]

A step is forward, loss, backward, clip and AdamW. Against it: the same network with every window as
one masked square, and PyTorch's own nn.TransformerEncoder of as many parameters with a causal mask,
in the loop its documentation shows. Steps are interleaved and timed in CPU time. Operations are
counted on the network (masked ones included) and set against a plain matrix product's.
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
from torch import Tensor, nn

from benchmarks.keep import keep
from musictk.model.cost import flops_per_position, parameters
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import SIZES, config_for
from musictk.model.windowed import WindowedAttention
from musictk.plugin import registry
from musictk.tokens import Tokens
from musictk.training.objective import NextPosition, blocks
from musictk.training.optimizer import make_optimizers
from musictk.training.settings import Optimisation

SPACE = Tokens(419)
Step = Callable[[], object]


def conformer(size: str) -> Network:
    """As the toolkit trains it, dropout and all."""
    kind = registry().load("architecture", "conformer")
    return Network(kind(config_for(kind, size)), SPACE, {}, NetworkConfig()).train()


def squared(network: Network) -> Network:
    """The same network with each window a mask over all pairs."""
    for module in network.modules():
        if isinstance(module, WindowedAttention):
            module.forward = partial(_square, module.window, module.dropout)  # type: ignore[assignment, method-assign]
    return network


def _square(
    window: int, dropout: float, q: Tensor, k: Tensor, v: Tensor, _: Tensor, *past: Tensor
) -> tuple[Tensor, ...]:
    distance = torch.arange(q.shape[2])[:, None] - torch.arange(q.shape[2])
    mask = (distance >= 0) & (distance <= window)
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask, dropout_p=dropout), *past


class Plain(nn.Module):
    """Embedding, positions, nn.TransformerEncoder, linear: PyTorch's tutorial."""

    def __init__(self, dim: int, depth: int, heads: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SPACE.size, dim)
        self.positions = nn.Parameter(torch.randn(length, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(dim, heads, 4 * dim, activation="gelu", batch_first=True)
        self.layers = nn.TransformerEncoder(layer, depth)
        self.head = nn.Linear(dim, SPACE.size)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        length = sequence.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        x = self.embedding(sequence) + self.positions[:length]
        logits: Tensor = self.head(self.layers(x, mask=mask, is_causal=True))
        return logits


def our_step(network: Network, sequence: Tensor) -> Step:
    """What `musictk.training` does in a step."""
    objective = NextPosition(network, SPACE)
    (optimizer,) = make_optimizers(network, Optimisation())
    mask = torch.ones(sequence[:, 1:].shape, dtype=torch.bool)
    none = torch.zeros(len(sequence), 0, dtype=torch.int64)

    def step() -> None:
        objective(sequence[:, :-1], sequence[:, 1:], mask, none).mean().backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def plain_step(model: Plain, sequence: Tensor) -> Step:
    """The loop of the tutorials."""
    optimizer = torch.optim.AdamW(model.parameters())

    def step() -> None:
        logits = model(sequence[:, :-1])
        F.cross_entropy(logits.flatten(0, 1), sequence[:, 1:].flatten()).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def as_large(count: int, dim: int, heads: int, length: int) -> Plain:
    """The plain model whose depth brings it nearest to so many parameters."""
    depth = max(round((count - 2 * SPACE.size * dim - length * dim) / (12 * dim * dim)), 1)
    return Plain(dim, depth, heads, length).train()


def cpu_seconds(action: Step) -> float:
    """Of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def product_flops(size: int = 1024) -> float:
    """Operations a second of a float32 matrix product, the best of ten."""
    a, b = torch.randn(size, size), torch.randn(size, size)
    return 2 * size**3 / min(cpu_seconds(lambda: torch.mm(a, b)) for _ in range(10))


def measure(size: str, length: int, batch: int, rounds: int) -> list[dict[str, Any]]:
    """One row a rival, the first ours."""
    ours, masked = conformer(size), squared(conformer(size))
    learned = sum(each.numel() for block in blocks(ours.body) for each in block.parameters())
    plain = as_large(learned, ours.body.dim, SIZES[size]["heads"], length)
    sequence = torch.randint(3, SPACE.size, (batch, length + 1))
    steps = {
        "conformer, musictk": our_step(ours, sequence),
        "the same, windows as masked squares": our_step(masked, sequence),
        "nn.TransformerEncoder, causal, as many weights": plain_step(plain, sequence),
    }
    taken: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds + 1):
        for name, step in steps.items():
            seconds = cpu_seconds(step)
            if turn:
                taken[name].append(seconds)
    speeds = {name: batch * length / statistics.median(values) for name, values in taken.items()}
    first = speeds["conformer, musictk"]
    used = 3 * flops_per_position(ours, SPACE, length) * first / product_flops()
    counts = [parameters(ours), parameters(masked), sum(p.numel() for p in plain.parameters())]
    rows: list[dict[str, Any]] = []
    for (name, speed), count in zip(speeds.items(), counts, strict=True):
        ahead = f"{first / speed:.2f} ×"
        rows.append({"run": name, "parameters": count, "tokens/s": round(speed), "ours is": ahead})
    rows[0]["of a matrix product's FLOP/s"] = f"{used:.0%}"
    return rows


def main() -> None:
    """Measure, print and perhaps keep it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", default="tiny", choices=SIZES)
    parser.add_argument("--length", type=int, default=1024)
    parser.add_argument("--batch", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    flags = parser.parse_args()
    torch.set_num_threads(1)
    rows = measure(flags.size, flags.length, flags.batch, flags.rounds)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if flags.save:
        title = f"Training step, conformer {flags.size}, {flags.length} positions"
        note = f"tokens per CPU second, medians over {flags.rounds} interleaved runs"
        keep("train", title, f"--size {flags.size} --length {flags.length}", rows, note)


if __name__ == "__main__":
    main()
