"""`musictk train`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import rank, require_alone, session
from musictk.cli.output import Output
from musictk.cli.settings import assignments, variable
from musictk.errors import UsageError

if TYPE_CHECKING:
    from musictk.jobs.sources import Source
    from musictk.jobs.train import RunResult

# Options of `train` whose setting has another name; "": the option has several settings.
KEYS = {"condition": "conditions", "settings": "", "steps": "train.steps", "seed": "train.seed"}
_FINE_TUNE = "to fine-tune with other settings: musictk train --from RUN"
LENGTHS = ("steps", "epochs", "minutes")  # options for the length of a run: one of them counts

# The options that `train` and `sweep` share.
ConfigOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="TOML file of settings, in the format of a preset."),
]
DeviceOption = Annotated[str, typer.Option(metavar="DEVICE", help="Device: cpu, cuda or auto.")]
ExportOption = Annotated[
    str,
    typer.Option(
        metavar="KINDS",
        help="Export after training: onnx, torchscript, onnx-int8, onnx-fp16 or several.",
    ),
]
TrackOption = Annotated[
    list[str] | None,
    typer.Option(
        metavar="NAME", help="Log to a tracker: tensorboard, wandb or mlflow. Can be repeated."
    ),
]


def train(
    context: typer.Context,
    arch: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Architecture (see `plugins`).", show_default="gpt"),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Tokenizer (see `plugins`).", show_default="remi"),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            metavar="SIZE",
            help="Model size: tiny, small, base or large.",
            show_default="chosen automatically",
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name of the run.", show_default="architecture and number"
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Preset: a named set of settings, such as seed-001."),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(
            metavar="N", min=1, help="Training steps.", show_default="chosen automatically"
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(metavar="N", help="Epochs to train, instead of --steps."),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(metavar="N", min=0, help="Minutes for the run to take, instead of --steps."),
    ] = None,
    condition: Annotated[
        str,
        typer.Option(
            metavar="CATEGORIES", help="Label categories to condition on, separated by commas."
        ),
    ] = "composer",
    controls: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Bar controls to train, separated by commas, or none (see `plugins`).",
            show_default="all that the tokenizer has",
        ),
    ] = None,
    config: ConfigOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting, such as clip=0.5 (see `settings`)."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Random seed.")] = None,
    device: DeviceOption = "auto",
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Resume this run, with its own settings.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help=(
                "Fine-tune the weights of this run, or of a built-in model, with AdamW at a tenth "
                "of its learning rate (Muon's is converted)."
            ),
        ),
    ] = None,
    scratch: Annotated[
        bool,
        typer.Option("--scratch", help="Start from random weights, not from a built-in model."),
    ] = False,
    lora: Annotated[
        int,
        typer.Option(
            metavar="RANK",
            min=0,
            help="With --from: train only LoRA adapters of this rank (0: off).",
        ),
    ] = 0,
    export: ExportOption = "",
    track: TrackOption = None,
) -> None:
    """Train a model on the catalog's music and write it to runs/.

    Without options, size and number of steps are chosen for this corpus and the speed of this
    machine, which is measured first. With --minutes, the run ends within 10 % of that time, which
    includes evaluations and checkpoints, but no exports. Ctrl-C finishes the step, saves a
    checkpoint and prints the command that resumes the run, with the same result as without the
    interruption; of its settings, only --set threads=N can change. With --from, the starting
    weights are evaluated first and are the best checkpoint until a later one scores better. On a
    small corpus a run starts from the built-in model of its architecture, if there is one and no
    option contradicts it. A run that diverges exits with code 1.
    """
    began = time.monotonic()  # before the libraries are imported
    from musictk.cli.parse import names
    from musictk.cli.train_progress import TrainingBar, report
    from musictk.jobs import train as job
    from musictk.jobs.sources import base_sources
    from musictk.jobs.start import merge_from

    here = session(context)
    options: dict[str, Any] = {  # in the order in which they are merged
        "size": size,
        "settings": assignments(settings or []),
        "arch": arch,
        "tokenizer": tokenizer,
        "epochs": epochs,
        "minutes": minutes,
        "export": names(export) or None,
        "steps": steps,
        "seed": seed,
        "condition": names(condition),
        "controls": None if controls is None else _controls(names(controls)),
        "lora": lora,
        "track": tuple(track or ()),
    }
    if resume is not None:  # environment variables and musictk.toml apply to new runs only
        require_alone(context, "--resume", _FINE_TUNE, but=("resume", "device", "settings"))
        typed = assignments(settings or []) if rank(context, "settings") == 3 else {}
        threads = _only_threads(typed)
    main = os.environ.get("RANK", "0") == "0"  # under torchrun only one process prints
    output = here.output if main else Output(quiet=True)
    with here.catalog(write=True) as catalog, TrainingBar(output) as bar:
        if resume is not None:
            result = job.resume(catalog, here.workspace, resume, bar, device, threads)
        else:
            sources = base_sources(catalog, from_, preset, config), option_sources(context, options)
            merged = merge_from(catalog, chain(*sources), scratch, output.note)
            result = job.run(catalog, here.workspace, merged, bar, device, name, began)
    if main:
        report(output, result)
    _raise_for(result, main)


def _raise_for(result: RunResult, main: bool) -> None:
    """Raise the error that the command ends with, if it does; only `main` prints one."""
    from musictk.cli.train_progress import diverged

    if result.outcome.diverged:
        raise diverged(result) if main else typer.Exit(1)
    if result.unexported is not None:
        raise result.unexported
    if result.outcome.interrupted:
        raise typer.Exit(130)


def _controls(chosen: tuple[str, ...]) -> tuple[str, ...]:
    """The names of bar controls; "none" is no name."""
    return () if chosen == ("none",) else chosen


def _only_threads(typed: Mapping[str, Mapping[str, Any]]) -> int | None:
    """The number of threads, the only setting of a resumed run that can be changed."""
    values = {
        f"{group or 'train'}.{key}": each for group in typed for key, each in typed[group].items()
    }
    threads = values.pop("train.threads", None)
    if values:
        name = next(iter(values)).removeprefix("train.")
        raise UsageError(f"--resume cannot be combined with --set {name}", _FINE_TUNE)
    return threads


def option_sources(
    context: typer.Context, options: Mapping[str, Any], command: str = "train"
) -> Iterator[Source]:
    """The given options as sources of settings, each with the name of its origin.

    Raises UsageError if two of --steps, --epochs and --minutes are given at the same place.
    """
    from musictk.jobs.sources import Source

    ignored = _ignored(context)
    for name, value in options.items():
        at = rank(context, name)
        if not at or value is None or name in ignored:
            continue
        flag = name if name != "settings" else "set"
        place = {1: "musictk.toml", 2: variable((command, flag)), 3: f"--{flag}"}[at]
        group, _, key = KEYS.get(name, name).rpartition(".")
        nested = {group: {key: value}} if group else {key: value} if key else value
        yield Source(place, nested)


def _ignored(context: typer.Context) -> set[str]:
    """The options that --preset, --config, --from, --steps, --epochs or --minutes replace.

    The command line overrides the environment, which overrides musictk.toml. A preset overrides
    options from lower sources only.
    """
    above = max(rank(context, name) for name in ("preset", "config", "from_"))
    named = ("arch", "tokenizer", "size", *LENGTHS)
    ignored = {name for name in named if rank(context, name) < above}
    ranks = {name: rank(context, name) for name in LENGTHS}
    highest = max(ranks.values())
    first, *others = (name for name in LENGTHS if ranks[name] == highest)
    if others and highest and first not in ignored:
        raise UsageError(f"--{first} cannot be combined with --{others[0]}", "leave one out")
    return ignored | {name for name in LENGTHS if ranks[name] < highest}
