"""Training speed on one CPU thread, beside what one would use instead.

    python -m benchmarks.train [--rounds 3] [--only 'gpt base' …] [--against CHECKOUT] [--save]

A step is forward, loss, backward, clip and AdamW, in the precision that `train` chooses. Beside it:
PyTorch's nn.TransformerEncoder with about as many weights, and Hugging Face's GPT-2 of the same
shape, each in the loop of its documentation and in the same precision; and, with `--against`,
another checkout of musictk (in fp32, as `train` used before). Every measurement is a process of its
own; they are interleaved, and count CPU seconds. The limit is a matrix product in that precision.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.keep import keep
from musictk.model.cost import flops_per_position, parameters
from musictk.model.network import Network, NetworkConfig
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.tokens import Tokens
from musictk.training.devices import autocast
from musictk.training.objective import NextPosition
from musictk.training.optimizer import make_optimizers
from musictk.training.settings import Optimisation

SPACE = Tokens(419)
MODELS = {
    "gpt base": (4, 256),
    "gpt small": (4, 256),
    "conformer tiny": (8, 256),
    "conformer small": (4, 256),
    "conformer base": (4, 256),
    "relative small": (4, 256),
    "roll small": (4, 256),
}
WARMUP, STEPS = 4, 8
CPU = torch.device("cpu")
Step = Callable[[], object]


def network(model: str) -> Network:
    """As `train` builds it on a CPU, without dropout."""
    arch, size = model.split()
    kind = registry().load("architecture", arch)
    body = kind(config_for(kind, size, {"dropout": 0.0}))
    return Network(body, SPACE, {}, NetworkConfig()).train()


def our_step(model: str, batch: int, length: int, precision: str) -> Step:
    """What `musictk.training` does in a step."""
    ours = network(model)
    objective = NextPosition(ours, SPACE)
    optimizers = make_optimizers(ours, Optimisation())
    sequence = torch.randint(3, SPACE.size, (batch, length + 1))
    mask = torch.ones(batch, length, dtype=torch.bool)
    none = torch.zeros(batch, 0, dtype=torch.int64)

    def step() -> None:
        with autocast(CPU, precision):
            cost = objective(sequence[:, :-1], sequence[:, 1:], mask, none).mean()
        cost.backward()
        nn.utils.clip_grad_norm_(ours.parameters(), 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    return step


class Plain(nn.Module):
    """Embedding, positions, nn.TransformerEncoder, linear: PyTorch's tutorial."""

    def __init__(self, dim: int, depth: int, heads: int, length: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(SPACE.size, dim)
        self.positions = nn.Parameter(torch.randn(length, dim) * 0.02)
        layer = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, dropout=0.0, activation="gelu", batch_first=True
        )
        self.layers = nn.TransformerEncoder(layer, depth)
        self.head = nn.Linear(dim, SPACE.size)

    def forward(self, sequence: Tensor) -> Tensor:
        """(B, T) -> (B, T, V)."""
        length = sequence.shape[1]
        mask = nn.Transformer.generate_square_subsequent_mask(length)
        x = self.embedding(sequence) + self.positions[:length]
        logits: Tensor = self.head(self.layers(x, mask=mask, is_causal=True))
        return logits


def as_large(ours: Network, size: str, length: int) -> Plain:
    """The plain model whose depth brings it nearest to the parameters of our blocks."""
    dim, heads = SIZES[size]["dim"], SIZES[size]["heads"]
    blocks = sum(each.numel() for name, each in ours.named_parameters() if "blocks" in name)
    return Plain(dim, max(round(blocks / (12 * dim * dim)), 1), heads, length).train()


def hugging_face(size: str, length: int) -> nn.Module:
    """GPT-2 of the same shape, without dropout."""
    from transformers import GPT2Config, GPT2LMHeadModel

    shape = SIZES[size]
    config = GPT2Config(
        vocab_size=SPACE.size,
        n_positions=8192,
        n_embd=shape["dim"],
        n_layer=shape["depth"],
        n_head=shape["heads"],
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
    )
    model: nn.Module = GPT2LMHeadModel(config).train()
    return model


def other_step(model: str, batch: int, length: int, precision: str, other: str) -> Step:
    """The loop of the tutorials, over another library's model."""
    size = model.split()[1]
    theirs = (
        as_large(network(model), size, length) if other == "torch" else hugging_face(size, length)
    )
    optimizer = torch.optim.AdamW(theirs.parameters())
    sequence = torch.randint(3, SPACE.size, (batch, length + 1))

    def step() -> None:
        with autocast(CPU, precision):
            out = theirs(sequence[:, :-1])
            logits = out if isinstance(out, Tensor) else out.logits
            cost = F.cross_entropy(logits.flatten(0, 1), sequence[:, 1:].flatten())
        cost.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def speed(model: str, variant: str, precision: str) -> float:
    """Tokens per CPU second of this process."""
    batch, length = MODELS[model]
    torch.manual_seed(0)
    torch.set_num_threads(1)
    with ExitStack() as stack:
        if variant == "ours":
            from musictk.training.process import repeating_work

            stack.enter_context(repeating_work())
        step = (
            our_step(model, batch, length, precision)
            if variant in ("ours", "before")
            else other_step(model, batch, length, precision, variant)
        )
        for _ in range(WARMUP):
            step()
        return batch * length / statistics.median(cpu_seconds(step) for _ in range(STEPS))


def cpu_seconds(action: Step) -> float:
    """Of this process."""
    start = time.process_time()
    action()
    return time.process_time() - start


def in_a_process(model: str, variant: str, precision: str, checkout: Path | None) -> float:
    """`speed` in a process of its own, with the musictk of `checkout` if given."""
    environment = dict(os.environ, OMP_NUM_THREADS="1")
    if checkout is not None:
        environment["PYTHONPATH"] = os.pathsep.join(map(str, (checkout, checkout / "plugins")))
    command = [sys.executable, __file__, "--one", model, variant, precision]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def measure(models: list[str], rounds: int, checkout: Path | None) -> list[dict[str, Any]]:
    """One row a model."""
    from musictk.training.precision import fastest, product_rate  # another checkout may lack them

    precision, rows = fastest(CPU), []
    limit = product_rate(precision)
    for model in models:
        variants: dict[str, tuple[str, Path | None]] = {"ours": (precision, None)}
        if checkout is not None:
            variants["before"] = ("fp32", checkout)
        variants |= {"torch": (precision, None)}
        if model.startswith("gpt"):
            variants |= {"hugging face": (precision, None)}
        taken: dict[str, list[float]] = {name: [] for name in variants}
        for _ in range(rounds):
            for name, (kind, place) in variants.items():
                taken[name].append(in_a_process(model, name, kind, place))
        rows.append(row(model, precision, limit, taken))
        print("  ".join(f"{key} {value}" for key, value in rows[-1].items()), flush=True)
    return rows


def row(model: str, precision: str, limit: float, taken: dict[str, list[float]]) -> dict[str, Any]:
    """Our speed, its ratio to each of the others (median of the rounds), and the limit."""
    batch, length = MODELS[model]
    ours = network(model)
    rate = statistics.median(taken["ours"])
    flops = 3 * flops_per_position(ours, SPACE, length) * rate
    figures: dict[str, Any] = {
        "model": f"{model}, {batch} × {length}",
        "parameters": parameters(ours),
        "precision": precision,
        "tokens/s": round(rate),
    }
    names = {"before": "earlier", "torch": "nn.TransformerEncoder", "hugging face": "HF GPT-2"}
    for variant, name in names.items():
        pairs = zip(taken["ours"], taken.get(variant, []), strict=False)
        ratios = [mine / other for mine, other in pairs]
        figures[f"× {name}"] = f"{statistics.median(ratios):.2f}" if ratios else ""
    return figures | {"GFLOP/s": round(flops / 1e9), "of the limit": f"{flops / limit:.0%}"}


def main() -> None:
    """Measure, print and perhaps keep it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--only", nargs="*", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--against", type=Path, help="another checkout of musictk")
    parser.add_argument("--save", action="store_true", help="keep it in benchmarks/results")
    parser.add_argument("--one", nargs=3, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.one:
        print(speed(*flags.one))
        return
    rows = measure(flags.only, flags.rounds, flags.against and flags.against.resolve())
    if flags.save:
        note = f"one thread, tokens per CPU second, medians over {flags.rounds} interleaved runs"
        only = "" if flags.only == list(MODELS) else f"--only {shlex.join(flags.only)} "
        said = f"{only}--rounds {flags.rounds}" + " --against CHECKOUT" * bool(flags.against)
        keep("train", "Training step", said, rows, note)


if __name__ == "__main__":
    main()
