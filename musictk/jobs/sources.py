"""Where the settings of a run come from: the run to fine-tune, a preset, a file, flags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from musictk import builtin
from musictk.catalog import Catalog
from musictk.errors import UsageError
from musictk.files import cause, read_bytes
from musictk.jobs.config import RunConfig
from musictk.training.preset import load_preset, read_preset
from musictk.training.recipe import RATES

FIXED = ("arch", "tokenizer", "size")  # settings that fine-tuning cannot change
FINE_TUNING = 0.1  # of the learning rate that the first run had


@dataclass(frozen=True)
class Source:
    """Some settings of a run, and where they come from.

    `values` has the keys of a preset (`musictk.training.preset`) and the other fields of
    `RunConfig`. Its table "" has the settings that were given without a group.
    """

    name: str  # for messages, such as "--set", "preset seed-001" or "musictk.toml"
    values: Mapping[str, Any]
    weights: RunConfig | None = None  # of the run to fine-tune, whose weights fix some settings


def base_sources(
    catalog: Catalog, start: str | None = None, preset: str | None = None, file: Path | None = None
) -> Iterator[Source]:
    """Those of the run to fine-tune, the preset and the file that are given, in this order."""
    if start is not None:
        yield run_source(catalog, start)
    if preset is not None:
        yield Source(f"preset {preset}", {"recipe": False, **load_preset(preset)})
    if file is not None:
        yield file_source(file)


def run_source(catalog: Catalog, name: str) -> Source:
    """The settings that a run inherits from the run called `name` when it fine-tunes it.

    Its training settings are not inherited. The learning rate is a tenth of that of the run that
    was trained from random weights, even if it was fine-tuned in several steps: the full rate would
    undo what was learned before the schedule lowers it. Fine-tuning uses AdamW: the rate of another
    optimizer is converted by those of the recipe.
    """
    config = first = settings_of(catalog, name)
    while first.start is not None:
        first = settings_of(catalog, first.start)
    names = {key: value for key in FIXED if (value := getattr(config, key)) is not None}
    groups = {key: getattr(config, key) for key in ("model", "tokens", "network", "data", "sample")}
    used, size = first.train_settings.optimisation, first.size or "small"
    lr = FINE_TUNING * used.lr * RATES["adamw"][size] / RATES[used.optimizer][size]
    values = {**names, **groups, "train": {"lr": lr}, "recipe": False, "start": name}
    return Source(f"run {name}", values, config)


def settings_of(catalog: Catalog, run: str) -> RunConfig:
    """The settings of a run, or of a built-in model."""
    return RunConfig.read(_stored(catalog, run)["settings"])


def metrics_of(catalog: Catalog, run: str) -> Mapping[str, Any]:
    """The results of a run, or of a built-in model."""
    metrics: Mapping[str, Any] = _stored(catalog, run)["metrics"]
    return metrics


def _stored(catalog: Catalog, run: str) -> Mapping[str, Any]:
    """`settings` and `metrics` of a run, or of a built-in model."""
    if run in builtin.MODELS:
        return builtin.MODELS[run].read_run()
    row = catalog.run(run)
    return {"settings": row.settings, "metrics": row.metrics}


def file_source(path: Path) -> Source:
    """The settings in a TOML file with the keys of a preset; raises UsageError if it has none."""
    try:
        text = read_bytes(path).decode("utf-8")
    except FileNotFoundError as error:
        raise UsageError(f"there is no file {path}", "check the path after --config") from error
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {path}: {cause(error)}", "give a TOML file") from error
    return Source(str(path), read_preset(text, str(path)))
