"""Tokens per CPU second of one stream, beside CTranslate2 on a GPT-2 of the same shape.

    python -m benchmarks.decode [--size base] [--tokens 512] [--rounds 5] [--save [NAME]]

Ours is what `musictk sample --runtime onnx` runs for each token: grammar, metre, temperature,
top-k and top-p, without and with guidance. CTranslate2 (`pip install ctranslate2`) samples with
temperature, top-k and top-p, and knows no grammar. Both use one thread. Whole pieces of `--tokens`
take turns; the median of each, and the median ratio of pieces that ran one after the other.
"Python" is our code alone: the same pieces with a runtime whose logits are random. The limit is
what a step has to read, at the speed of a memory copy that takes turns with the pieces: what other
programs take from the memory, they take from both.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.generate import MOVED, copy_memory, read_per_step, state_bytes
from benchmarks.keep import keep, processor
from musictk.config import plain
from musictk.export import export_onnx
from musictk.export.onnx import Precision
from musictk.generation.compose import compose
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Sampling
from musictk.model import bundle
from musictk.model.conditions import Mixture
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.model.sizes import SIZES, config_for
from musictk.plugin import registry
from musictk.runtime import Runtime, load
from musictk.testing.exports import write_untrained
from musictk_remi.config import RemiConfig
from musictk_remi.tokenizer import Remi

# CTranslate2's name, and the bytes of a weight
PRECISIONS: dict[Precision, tuple[str, float]] = {"fp32": ("float32", 4), "int8": ("int8", 1)}
TOP_K, TOP_P, TEMPERATURE = 40, 0.95, 0.95
MEMORY = "memory"
COPIES = 4  # of 256 MB in a turn


def main() -> None:
    parser = argparse.ArgumentParser(description="Tokens per CPU second, beside CTranslate2.")
    parser.add_argument("--arch", default="gpt")
    parser.add_argument("--size", default="base", choices=SIZES)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--save", nargs="?", const="", metavar="NAME")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        runs, network, manifest = prepare(Path(place), chosen.arch, chosen.size, chosen.tokens)
        runs[MEMORY] = memory
        seconds = race(runs, chosen.rounds)
    speed = COPIES * MOVED / statistics.median(seconds.pop(MEMORY))
    state = state_bytes(manifest, chosen.tokens // 2)
    limits: dict[str, float] = {
        name: speed / (read_per_step(network) * bytes_ + state)
        for name, (_, bytes_) in PRECISIONS.items()
    }
    rows = table(seconds, chosen.tokens, limits)
    for row in rows:
        print("  ".join(f"{key} {value}" for key, value in row.items()))
    if chosen.save is not None:
        flags = f"--arch {chosen.arch} --size {chosen.size} --tokens {chosen.tokens}"
        note = (
            f"one stream of {chosen.tokens} tokens, one thread; medians of {chosen.rounds} rounds"
        )
        other = f", {processor()}" if chosen.save else ""  # beside the table of another machine
        title = f"Decoding, {chosen.arch} {chosen.size}{other}"
        file = chosen.save or f"decode.{chosen.arch}.{chosen.size}"
        keep("decode", title, flags, rows, note, file, named=bool(chosen.save))


def prepare(
    place: Path, arch: str, size: str, tokens: int
) -> tuple[dict[str, Callable[[int], None]], Network, Manifest]:
    """Every run by its name: a piece of `tokens` for a seed."""
    kind = registry().load("architecture", arch)
    config = config_for(kind, size, {"max_length": max(1024, tokens)})
    write_untrained(place / "torch", arch, Remi(RemiConfig()), **plain(config))
    network, manifest = bundle.read(place / "torch")
    runs: dict[str, Callable[[int], None]] = {}
    for name, (theirs, _) in PRECISIONS.items():
        export_onnx(place / "torch", place / name, name, least=0)  # an untrained network
        runtime = load(place / name, "onnx", 1, "cpu")
        runs[f"musictk {name}"] = piece(runtime, tokens, guidance=1)
        runs[f"musictk {name}, guidance"] = piece(runtime, tokens, guidance=1.5)
        if arch == "gpt":
            runs[f"CTranslate2 {name}"] = ctranslate2(
                place / f"ct2-{name}", network, theirs, tokens
            )
    runs["musictk, Python"] = piece(Random(manifest), tokens, guidance=1)
    runs["musictk, Python, guidance"] = piece(Random(manifest), tokens, guidance=1.5)
    return runs, network, manifest


def piece(runtime: Runtime, tokens: int, guidance: float) -> Callable[[int], None]:
    """Compose one piece, as `musictk sample` does."""
    sampling = Sampling(
        temperature=TEMPERATURE,
        top_k=TOP_K,
        top_p=TOP_P,
        guidance=guidance,
        max_tokens=tokens,
        memory=tokens + 8,
    )
    tokenizer = runtime.manifest.make_tokenizer()

    def run(seed: int) -> None:
        conditions = {"composer": (("Bach", 1.0),)}
        made = compose(runtime, tokenizer, PieceRequest(conditions, seed=seed, sampling=sampling))
        assert len(made[0].sequence) == tokens, "the piece ended early"

    return run


def ctranslate2(
    directory: Path, network: Network, compute: str, tokens: int
) -> Callable[[int], None]:
    """The same network in CTranslate2, as its converter writes GPT-2."""
    import ctranslate2 as library
    from ctranslate2.specs import TransformerDecoderModelSpec, common_spec

    body: Any = network.body
    spec = TransformerDecoderModelSpec.from_config(
        len(body.blocks), body.heads, activation=common_spec.Activation.GELU
    )
    decoder = spec.decoder
    decoder.scale_embeddings = False
    decoder.embeddings.weight = array(network.stem.get_parameter("embedding.weight"))
    decoder.position_encodings.encodings = array(body.positions.embedding.weight)
    norm(decoder.layer_norm, network.head.norm)
    linear(decoder.projection, network.head.linear)
    for layer, block in zip(decoder.layer, body.blocks, strict=True):
        norm(layer.self_attention.layer_norm, block.norm1)
        linear(layer.self_attention.linear[0], block.qkv)
        linear(layer.self_attention.linear[1], block.out)
        norm(layer.ffn.layer_norm, block.norm2)
        linear(layer.ffn.linear_0, block.feedforward.up)
        linear(layer.ffn.linear_1, block.feedforward.down)
    size = network.head.linear.out_features
    names = [f"t{index}" for index in range(size)]
    names[0], names[1], names[2] = "<unk>", "<s>", "</s>"
    spec.register_vocabulary(names)
    spec.config.unk_token, spec.config.bos_token, spec.config.eos_token = names[:3]
    spec.validate()
    spec.optimize(quantization=None if compute == "float32" else compute)
    directory.mkdir()
    spec.save(str(directory))
    generator = library.Generator(str(directory), compute_type=compute, intra_threads=1)

    def run(seed: int) -> None:
        library.set_random_seed(seed)
        made = generator.generate_batch(
            [["<s>"]],
            max_length=tokens,
            min_length=tokens,
            sampling_topk=TOP_K,
            sampling_topp=TOP_P,
            sampling_temperature=TEMPERATURE,
            include_prompt_in_result=False,
        )
        assert len(made[0].sequences_ids[0]) == tokens

    return run


def norm(spec: Any, module: torch.nn.Module) -> None:
    spec.gamma, spec.beta = (
        array(module.get_parameter("weight")),
        array(module.get_parameter("bias")),
    )


def linear(spec: Any, module: torch.nn.Linear) -> None:
    spec.weight = array(module.weight)
    if module.bias is not None:
        spec.bias = array(module.bias)


def array(value: torch.Tensor) -> NDArray[np.float32]:
    return np.ascontiguousarray(value.detach().numpy(), np.float32)


class Random:
    """A runtime without a network: it times what is ours in each token."""

    name = "random"

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest
        self._random = np.random.default_rng(0)
        size = len(manifest.make_tokenizer().names())
        self.logits = self._random.standard_normal((64, 2, 1, size), np.float32)

    def begin(self, batch: int, capacity: int | None = None) -> Any:
        return RandomRows(self, batch)

    def join(self, sessions: Any) -> Any:
        return RandomRows(self, sum(session.batch for session in sessions))

    def condition(self, mixture: Mixture) -> NDArray[np.float32]:
        return np.full(self.manifest.architecture_config["dim"], len(mixture), np.float32)

    def control(self, ids: NDArray[Any]) -> NDArray[np.float32]:
        return np.zeros((len(ids), self.manifest.architecture_config["dim"]), np.float32)


class RandomRows:
    """Its session."""

    def __init__(self, runtime: Random, batch: int) -> None:
        self.batch, self._runtime, self._at = batch, runtime, 0
        self.lengths, self.capacity = np.zeros(batch, np.int64), 1 << 30

    def step(self, sequence: Any, condition: Any) -> NDArray[np.float32]:
        self._at += 1
        return self._runtime.logits[self._at % 64, : self.batch].copy()

    def select(self, rows: Any) -> RandomRows:
        return RandomRows(self._runtime, len(rows))


def memory(seed: int) -> None:
    """A turn of copying memory."""
    for _ in range(COPIES):
        copy_memory()


def race(runs: dict[str, Callable[[int], None]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each piece; the first round, which warms up, is not counted."""
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for turn in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run(turn)
            if turn:
                seconds[name].append(time.process_time() - start)
    return seconds


def table(
    seconds: dict[str, list[float]], tokens: int, limits: dict[str, float]
) -> list[dict[str, Any]]:
    """One row for each run: its ratios to CTranslate2 and to no guidance, then its speed."""
    rows = []
    for name, each in seconds.items():
        precision = next((key for key in limits if key in name), "")
        median = statistics.median(each) / tokens
        row: dict[str, Any] = {"run": name, "× CTranslate2": "", "time × without guidance": ""}
        if f"CTranslate2 {precision}" in seconds:
            row["× CTranslate2"] = ratio(seconds[f"CTranslate2 {precision}"], each)
        if name.endswith(", guidance"):
            plainly = seconds[name.removesuffix(", guidance")]
            row["time × without guidance"] = round(1 / ratio(plainly, each), 2)
        row["tokens/CPU s"], row["ms"] = round(1 / median, 1), round(1000 * median, 3)
        limit = limits.get(precision)
        row["limit by memory"] = round(limit) if limit else ""
        row["reached"] = f"{100 / median / limit:.0f} %" if limit else ""
        rows.append(row)
    return rows


def ratio(theirs: list[float], ours: list[float]) -> float:
    """How many times as fast, median over pieces that ran one after the other."""
    return round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2)


if __name__ == "__main__":
    main()
