"""CPU seconds of training until a fixed loss, each architecture with and without the recipe.

    python -m benchmarks.speedrun jsb Jsb16thSeparated.json [--seeds 3] [--steps 1250] [--save]
    python -m benchmarks.speedrun catalog WORKSPACE [--targets 6 5.5 5] …

`jsb` trains on the JSB Chorales and scores valid as `benchmarks.jsb.train` does, in nats per token.
`catalog` trains on the music of a catalog and scores its valid split in nats per note, so that
tokenizers can be compared. "before" is what `train` chose until musictk had a recipe: AdamW, and
each architecture as published; "recipe" is `musictk.training.recipe`. Both have the same width,
depth and batch, and bf16. On the chorales' fixed grid the recipe also has embeddings of the voice
and of the places in the beat and in the bar. Seconds are CPU time of this process without
evaluation and checkpoints; the time is that of the first evaluation at or below the
target. Set OMP_NUM_THREADS=1. `--add` keeps the rows that the command does not measure.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean
from typing import Any

import torch

from benchmarks.jsb import chorales
from benchmarks.keep import RESULTS, keep
from musictk.catalog import Catalog
from musictk.config import plain, settings_of
from musictk.files import read_json
from musictk.jobs.corpus import Corpus
from musictk.jobs.data import DataSettings
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.tokens.crops import Crops
from musictk.training.evaluate import score
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import SilentListener
from musictk.training.recipe import RATES, recipe_for
from musictk.training.settings import TrainSettings
from musictk.training.task import Costs, Validation
from musictk.workspace import Workspace

ARCHITECTURES = ("gpt", "relative", "conformer", "roll")
BODY: Mapping[str, Any] = {"dim": 128, "depth": 4, "heads": 4, "max_length": 512, "dropout": 0}
RUN: Mapping[str, Any] = {
    **{"batch": 8, "length": 256, "precision": "bf16", "warmup": 0.05, "final": 0.0},
    **{"checkpoint_every": 10**6, "log_every": 100, "tensorboard": False, "evaluate_batches": 0},
}
BEFORE: Mapping[str, Any] = {"optimizer": "adamw", "lr": 3e-3, "weight_decay": 0.01}
TARGETS = {"jsb": (0.45, 0.40, 0.36), "catalog": (6.0, 5.5, 5.0)}
BATCHES = 32  # of 16 crops of a catalog's valid split, spread evenly over it
Curve = list[tuple[float, float]]  # CPU seconds of training, nats


class Data:
    """What is trained on and scored, and how."""

    def __init__(self, manifest: dict[str, Any], train: Crops, valid: Crops) -> None:
        self.manifest, self.train, self.valid = manifest, train, valid
        self.periods: tuple[int, ...] = ()  # of a fixed grid
        self.context = 0  # positions before a crop that are not scored again
        self.batches = 0  # of valid that are scored; 0: all
        self.per_note = 1.0  # tokens per note of valid


def jsb(path: Path) -> Data:
    """The chorales; every token is a note."""
    splits = chorales.load(path, transpose=5)
    manifest = {
        **{"tokenizer": "jsb", "tokenizer_config": {}, "tokenizer_learned": None},
        **{"tokenizer_fingerprint": "jsb", "space": chorales.SPACE},
    }
    data = Data(manifest, splits["train"], splits["valid"])
    data.context = RUN["length"] - chorales.BAR
    data.periods = (chorales.VOICES, 4 * chorales.VOICES, chorales.BAR)  # frame, beat, bar
    return data


def catalog(path: Path) -> Data:
    """The music of a workspace as `remi`, without labels."""
    workspace = Workspace(path)
    with Catalog.open(workspace.catalog_url, workspace.root, create=False) as opened:
        corpus = Corpus(opened, workspace)
        tokenizer = corpus.tokenizer("remi", {})
        conditions, settings = Conditions(), DataSettings()
        train, valid = (
            corpus.crops(tokenizer, split, conditions, settings) for split in ("train", "valid")
        )
        notes = sum(piece.notes or 0 for piece in corpus.select(tokenizer.reads, "valid"))
    manifest = {
        **{"tokenizer": "remi", "tokenizer_config": plain(tokenizer.config)},
        **{"tokenizer_learned": tokenizer.learned, "space": tokenizer.space},
        "tokenizer_fingerprint": train.shard.fingerprint,
    }
    data = Data(manifest, train, valid)
    data.batches = BATCHES
    data.per_note = valid.positions / max(notes, 1)
    return data


class Timed(LanguageModeling, SilentListener):
    """A task and listener that notes the CPU seconds of training before each evaluation."""

    def __init__(self, network: Network, manifest: Manifest, data: Data) -> None:
        super().__init__(network, manifest, data.train, data.valid)
        self.source, self.curve = data, Curve()
        self._seconds, self._began = 0.0, time.process_time()

    def baseline(self) -> float | None:
        self._began = time.process_time()  # training begins after it
        return None

    def validate(self, costs: Costs, settings: TrainSettings, device: torch.device) -> Validation:
        self._seconds += time.process_time() - self._began
        loop, source = settings.loop, self.source
        given = (16, loop.length, device, source.context, source.batches)
        scores = score(costs, self.valid, *given, settings.precision.precision)
        nats = scores.mean * source.per_note
        self.curve.append((self._seconds, nats))
        print(f"  {self._seconds:7.1f} s  {nats:.4f}", flush=True)
        self._began = time.process_time()
        return Validation(nats)

    def saved(self, path: Path) -> None:
        self._began = time.process_time()


def run(arch: str, recipe: bool, data: Data, steps: int, seed: int, evaluations: int) -> Timed:
    """One run, to its end."""
    kind = registry().load("architecture", arch)
    chosen = recipe_for(kind)
    model = {**BODY, **chosen.model} if recipe else BODY
    if recipe and data.periods and "periods" in settings_of(kind.Config):
        model = {**model, "periods": data.periods}
    config = config_for(kind, None, model)
    every = max(steps // evaluations, 1)
    train_values = {"lr": RATES["muon"]["tiny"], **chosen.train} if recipe else BEFORE
    values = {**RUN, **train_values, "steps": steps, "seed": seed}
    settings = TrainSettings().but(**values, evaluate_every=every)
    about: dict[str, Any] = {
        **{"architecture": arch, "architecture_config": plain(config), "network_config": {}},
        **{"conditions": Conditions(), "max_length": config.max_length},
    }
    manifest = Manifest(**about, **data.manifest)
    torch.manual_seed(seed)
    task = Timed(bundle.build_network(manifest), manifest, data)
    with tempfile.TemporaryDirectory() as folder:
        train(task, settings, Path(folder), task)
    return task


def reached(curve: Curve, target: float) -> float | None:
    """The CPU seconds of the first evaluation at or below `target`."""
    return next((seconds for seconds, nats in curve if nats <= target), None)


def row(name: str, tasks: list[Timed], targets: tuple[float, ...]) -> dict[str, Any]:
    """The mean over seeds; "-" where not all of them reached a target."""
    figures: dict[str, Any] = {"run": name, "seeds": len(tasks)}
    figures["parameters"] = sum(each.numel() for each in tasks[0].network.parameters())
    for target in targets:
        times = [reached(task.curve, target) for task in tasks]
        known = [each for each in times if each is not None]
        figures[f"s to {target:g}"] = round(mean(known)) if len(known) == len(times) else "-"
    last = [task.curve[-1] for task in tasks]
    ends = [nats for _, nats in last]
    figures["s in all"] = round(mean(seconds for seconds, _ in last))
    figures["nats at the end"] = f"{mean(ends):.3f} ± {(max(ends) - min(ends)) / 2:.3f}"
    return figures


def main() -> None:
    """One seed after the other, every run in turn; the table is written after each."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", choices=TARGETS)
    parser.add_argument("path", type=Path)
    parser.add_argument("--arch", nargs="*", default=list(ARCHITECTURES))
    parser.add_argument("--only", choices=["before", "recipe"])
    parser.add_argument("--targets", nargs="*", type=float)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=1250)
    parser.add_argument("--evaluations", type=int, default=25)
    parser.add_argument("--save", nargs="?", const="", metavar="NAME")
    parser.add_argument("--add", action="store_true", help="to the kept rows of other runs")
    flags = parser.parse_args()
    loaders: Mapping[str, Callable[[Path], Data]] = {"jsb": jsb, "catalog": catalog}
    data = loaders[flags.data](flags.path)
    targets = tuple(flags.targets or TARGETS[flags.data])
    tasks: dict[str, list[Timed]] = {}
    for seed in range(flags.seeds):
        for arch in flags.arch:
            for way in [flags.only] if flags.only else ["before", "recipe"]:
                name = f"{arch}, {way}"
                print(f"{name}, seed {seed}", flush=True)
                made = run(arch, way == "recipe", data, flags.steps, seed, flags.evaluations)
                tasks.setdefault(name, []).append(made)
                print(row(name, tasks[name], targets), flush=True)
                if flags.save is not None:
                    save(flags, [row(name, done, targets) for name, done in tasks.items()])


def save(flags: argparse.Namespace, rows: list[dict[str, Any]]) -> None:
    """Keep the table."""
    unit, title, path = {
        "jsb": ("nats per token", "JSB Chorales", "FILE"),
        "catalog": ("nats per note", "a catalog", "WORKSPACE"),
    }[flags.data]
    said = f"{flags.data} {path} --seeds {flags.seeds} --steps {flags.steps}"
    said += f" --evaluations {flags.evaluations}"
    if flags.arch != list(ARCHITECTURES):
        said += f" --arch {' '.join(flags.arch)}"
    if flags.targets:
        said += f" --targets {' '.join(f'{each:g}' for each in flags.targets)}"
    if flags.add:
        rows = kept(flags.save, rows)
    elif flags.only:
        said += f" --only {flags.only}"
    note = f"CPU seconds of one thread until valid reaches so many {unit}"
    keep("speedrun", f"Time to a fixed loss: {title}", said, rows, note, flags.save or None)


def kept(name: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kept rows, if there are any, with `rows` for those of the same runs, and after them."""
    path = RESULTS / f"{name or 'speedrun'}.json"
    old = read_json(path)["rows"] if path.exists() else []
    new = {each["run"]: each for each in rows}
    return [new.pop(each["run"], each) for each in old] + list(new.values())


if __name__ == "__main__":
    main()
