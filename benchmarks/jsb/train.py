"""Train and score on the JSB Chorales as the literature does: nats per token, 16th grid, SATB.

    python -m benchmarks.jsb.train Jsb16thSeparated.json [--arch gpt] [--set dim=128 …]

Every note of valid and test is scored once, in windows of `length` that step by one bar: each note
is predicted from all before it, up to the window. The mean over tokens is the figure of Music
Transformer (Huang et al. 2018) and Coconet; the mean of the pieces' means is given beside it.
Training time is CPU time of this one process; set OMP_NUM_THREADS=1 for one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.jsb.chorales import BAR, SPACE, Chorales, load
from benchmarks.keep import processor
from musictk.config import plain
from musictk.files import read_json, write_json
from musictk.model import bundle
from musictk.model.conditions import Conditions
from musictk.model.manifest import Manifest
from musictk.model.network import Network
from musictk.model.sizes import config_for
from musictk.plugin import registry
from musictk.training.evaluate import Scores, nll
from musictk.training.language import LanguageModeling
from musictk.training.loop import train
from musictk.training.outcome import Evaluation, Report, SilentListener
from musictk.training.settings import GROUP_OF, TrainSettings

SPLITS = ("valid", "test")
RESULTS = Path(__file__).parents[1] / "results"


class Printer(SilentListener):
    """A line now and then, and the CPU seconds of a run, also over several commands, in `path`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before = read_json(path)["cpu_seconds"] if path.exists() else 0.0
        self._began = time.process_time()

    @property
    def spent(self) -> float:
        return float(self._before) + time.process_time() - self._began

    def stepped(self, report: Report) -> None:
        if report.step % 100 == 0:
            speed = f"{report.positions_per_second:.0f} tokens/s"
            print(f"{report.step:6} {report.loss:.4f} {speed} cpu {self.spent:.0f} s", flush=True)
            write_json(self._path, {"cpu_seconds": self.spent})

    def evaluated(self, evaluation: Evaluation) -> None:
        print(f"{evaluation.step:6} valid {evaluation.nll:.4f} (bigram {evaluation.baseline:.4f})")


def fit(
    arch: str,
    model: dict[str, Any],
    settings: TrainSettings,
    splits: dict[str, Chorales],
    folder: Path,
) -> tuple[Network, dict[str, Any]]:
    """The last network of a run, and what training took; a run in `folder` is resumed."""
    kind = registry().load("architecture", arch)
    config = config_for(kind, None, model)
    manifest = Manifest(
        architecture=arch,
        architecture_config=plain(config),
        network_config={},
        tokenizer="jsb",
        tokenizer_config={},
        tokenizer_learned=None,
        tokenizer_fingerprint="jsb",
        space=SPACE,
        conditions=Conditions(),
        max_length=config.max_length,
    )
    torch.manual_seed(settings.loop.seed)
    network = bundle.build_network(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    printer = Printer(folder / "cpu_seconds.json")
    outcome = train(
        LanguageModeling(network, manifest, splits["train"], splits["valid"]),
        settings,
        folder,
        printer,
        resume=(folder / "last").exists(),
    )
    if outcome.interrupted:
        raise SystemExit(f"stopped at step {outcome.step}: no figure of a whole run")
    return network, {
        "cpu_seconds": round(printer.spent, 1),
        "parameters": sum(each.numel() for each in network.parameters()),
        "tokens_seen": settings.schedule.steps * settings.loop.batch * settings.loop.length,
        "tokens_per_second": round(outcome.positions_per_second, 1),
        "peak_bytes": outcome.peak_bytes,
        "bigram_valid": outcome.baseline,
    }


def means(scores: Scores) -> dict[str, float]:
    """Over tokens, and over pieces."""
    return {
        "token_mean": round(scores.mean, 4),
        "piece_mean": round(float(np.mean(scores.nats / scores.positions)), 4),
    }


def main() -> None:
    """Read the flags, train, score, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("data", type=Path)
    parser.add_argument("--arch", default="gpt")
    parser.add_argument("--transpose", type=int, default=5)
    parser.add_argument("--set", nargs="*", default=[], metavar="KEY=VALUE")
    parser.add_argument("--save", metavar="NAME", help="keep the figures in benchmarks/results")
    flags = parser.parse_args()
    result = run(flags.arch, parse(flags.set), load(flags.data, flags.transpose))
    result["transpose"] = flags.transpose
    for key, value in result.items():
        print(f"{key:20} {value}")
    if flags.save:
        write_json(RESULTS / f"jsb-{flags.save}.json", table(result))


def parse(items: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` each; a value in brackets is a JSON list."""
    pairs = (item.split("=", 1) for item in items)
    return {key: json.loads(value) if value[:1] == "[" else value for key, value in pairs}


def run(
    arch: str, values: dict[str, Any], splits: dict[str, Chorales], folder: Path | None = None
) -> dict[str, Any]:
    """Train with the `values` of settings and architecture, and score the last network.

    With a `folder`, a run that was stopped is resumed there.
    """
    if folder is None:
        with tempfile.TemporaryDirectory() as temporary:
            return run(arch, values, splits, Path(temporary))
    settings = TrainSettings().but(**{k: v for k, v in values.items() if k in GROUP_OF})
    network, took = fit(
        arch, {k: v for k, v in values.items() if k not in GROUP_OF}, settings, splits, folder
    )
    length = settings.loop.length
    result = {"arch": arch, "set": values, **took}
    for split in SPLITS:
        result[split] = means(nll(network, splits[split], 16, length, context=length - BAR))
    result["machine"] = f"{processor()}, {torch.get_num_threads()} thread(s)"
    return result


def table(result: dict[str, Any]) -> dict[str, Any]:
    """The figures as the docs show them."""
    took = {key: result[key] for key in ("arch", "parameters", "tokens_seen", "cpu_seconds")}
    nats = {f"{split}, {unit}": value for split in SPLITS for unit, value in result[split].items()}
    settings = " ".join(f"{key}={value}" for key, value in result["set"].items())
    return {
        "title": "JSB Chorales, nats per token (16th grid, SATB)",
        "command": f"python -m benchmarks.jsb.train FILE --arch {result['arch']} --set {settings}",
        "machine": result["machine"],
        "note": f"a bigram model: {result['bigram_valid']:.3f} on valid",
        "rows": [took | nats],
    }


if __name__ == "__main__":
    main()
