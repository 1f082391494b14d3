"""The settings of several runs: which differ, and which runs differ in their seed alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from musictk.config import build, plain
from musictk.jobs.config import RunConfig
from musictk.model.network import NetworkConfig

# Settings that change neither the data nor, but for rounding, the weights.
_IGNORED = {
    f"train.{key}"
    for key in (
        *("seed", "tensorboard", "log_every", "keep_checkpoints", "checkpoint_every"),
        "threads",
    )
}
# Settings that depend on the measured speed, where the steps were chosen for a time.
_TIMED = {"train.steps", "train.evaluate_every", "train.replanned"}


@dataclass(frozen=True)
class RunSettings:
    """What a run was trained with."""

    arch: str
    size: str  # "custom" if it is none of `musictk.model.sizes.SIZES`
    seed: int
    values: Mapping[str, Any]  # by the name that `--set` takes, such as "model.dim"
    corpus: str  # the encoded training split

    @staticmethod
    def of(config: RunConfig) -> RunSettings:
        """Those of a run, defaults included."""
        train = config.train_settings
        groups: dict[str, Mapping[str, Any]] = {
            "model": config.model,
            "tokens": config.tokens,
            "network": plain(build(NetworkConfig, config.network, "network")),
            "train": train.flat(),
            "data": plain(config.data_settings),
        }
        values = {f"{group}.{key}": each for group in groups for key, each in groups[group].items()}
        if config.budget is not None:  # its steps are what the machine could do in this time
            values = {key: value for key, value in values.items() if key not in _TIMED}
            values["minutes"] = config.minutes
        values |= {"condition": list(config.conditions), "from": config.start, "lora": config.lora}
        return RunSettings(
            arch=config.arch,
            size=config.size or "custom",
            seed=train.loop.seed,
            values={key: value for key, value in values.items() if key not in _IGNORED},
            corpus=config.shards.get("train", ""),
        )


def differing(runs: Sequence[RunSettings]) -> list[str]:
    """The names of the settings that have different values in runs that have them.

    A setting of one architecture only does not differ.
    """
    names = dict.fromkeys(name for run in runs for name in run.values)
    return [
        name
        for name in names
        if len({repr(run.values[name]) for run in runs if name in run.values}) > 1
    ]


def same_but_seed(runs: Mapping[str, RunSettings]) -> Iterator[list[str]]:
    """The names of runs with the same settings and data, in the order of the first of each.

    All seeds of a group are different: where one is repeated, its runs are in several groups.
    """
    groups: dict[tuple[str, int], list[str]] = {}
    repeats: Counter[tuple[str, int]] = Counter()
    for name, run in runs.items():
        key = repr((run.arch, run.corpus, sorted(run.values.items())))
        groups.setdefault((key, repeats[key, run.seed]), []).append(name)
        repeats[key, run.seed] += 1
    yield from groups.values()
