"""`musictk train`."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import rank, require_alone, session
from musictk.cli.output import Output
from musictk.cli.settings import assignments, variable
from musictk.errors import UsageError

if TYPE_CHECKING:
    from musictk.jobs.sources import Source

# Options of `train` that set something under another name.
KEYS = {"condition": "conditions", "settings": "", "steps": "train.steps", "seed": "train.seed"}


def train(
    context: typer.Context,
    arch: Annotated[
        str | None, typer.Option(help="Architecture (see `plugins`); by default conformer.")
    ] = None,
    tokenizer: Annotated[
        str | None, typer.Option(help="Tokenizer (see `plugins`); by default remi.")
    ] = None,
    size: Annotated[
        str | None, typer.Option(help="tiny, small, base or large; by default what suits.")
    ] = None,
    preset: Annotated[
        str | None, typer.Option(help="A named set of settings, such as seed-001.")
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimizer steps.")] = None,
    epochs: Annotated[
        float | None, typer.Option(min=0, help="Passes over the corpus, instead of --steps.")
    ] = None,
    condition: Annotated[
        str, typer.Option(help="Labels to steer by, separated by commas.")
    ] = "composer",
    config: Annotated[
        Path | None, typer.Option(help="A TOML file with the tables of a preset.")
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", help="KEY=VALUE, such as bpe=5000 or clip=0.5."),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Equal seeds train equal models.")] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda or auto.")] = "auto",
    resume: Annotated[str | None, typer.Option(help="Go on with this run.")] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", help="Start from this run's weights, at a tenth of its rate."),
    ] = None,
    lora: Annotated[
        int, typer.Option(min=0, help="With --from: train adapters of this rank only.")
    ] = 0,
    export: Annotated[
        str, typer.Option(help="Exports to end with: onnx, torchscript, onnx-int8, onnx-fp16.")
    ] = "",
) -> None:
    """Train a model on the catalog's music; writes a bundle under runs/.

    Without flags it picks a size and a length that suit this machine and this corpus. Ctrl-C
    finishes the step, saves, and says how to go on. With --from, the start is scored first, and
    stays the best until it is beaten. Exit code 1 says, among others, that the run diverged.
    """
    from musictk.cli.train_progress import TrainingBar, diverged, report
    from musictk.cli.words import names
    from musictk.jobs import train as job
    from musictk.jobs.merge import merge
    from musictk.jobs.sources import base_sources

    here = session(context)
    options: dict[str, Any] = {  # in the order in which they are merged
        "size": size,
        "settings": assignments(settings or []),
        "arch": arch,
        "tokenizer": tokenizer,
        "epochs": epochs,
        "export": names(export) or None,
        "steps": steps,
        "seed": seed,
        "condition": names(condition),
        "lora": lora,
    }
    if resume is not None:
        # The environment and musictk.toml are for new runs.
        why = "--resume continues a run with its own settings"
        hint = "fine-tune it with other settings: musictk train --from RUN"
        require_alone(context, why, hint, but=("resume", "device"))
    main = os.environ.get("RANK", "0") == "0"  # under torchrun only one process prints
    output = here.output if main else Output(quiet=True)
    with here.catalog() as catalog, TrainingBar(output) as bar:
        if resume is not None:
            result = job.resume(catalog, here.workspace, resume, bar, device)
        else:
            base = base_sources(catalog, from_, preset, config)
            merged = merge([*base, *_sources(context, options)], output.note)
            result = job.run(catalog, here.workspace, merged, bar, device)
    if main:
        report(output, result)
    if result.outcome.diverged and main:
        raise diverged(result)
    if result.outcome.diverged:
        raise typer.Exit(1)
    if result.unexported is not None:
        raise result.unexported
    if result.outcome.interrupted:
        raise typer.Exit(130)


def _sources(context: typer.Context, options: Mapping[str, Any]) -> Iterator[Source]:
    """The given options as sources of settings, named after where each was given.

    Raises UsageError if both --steps and --epochs are given at the same place.
    """
    from musictk.jobs.sources import Source

    ignored = _ignored(context)
    for name, value in options.items():
        at = rank(context, name)
        if not at or value is None or name in ignored:
            continue
        flag = name if name != "settings" else "set"
        place = {1: "musictk.toml", 2: variable(("train", flag)), 3: f"--{flag}"}[at]
        group, _, key = KEYS.get(name, name).rpartition(".")
        nested = {group: {key: value}} if group else {key: value} if key else value
        yield Source(place, nested)


def _ignored(context: typer.Context) -> set[str]:
    """The options that --preset, --config, --from, --steps or --epochs replace.

    The command line replaces the environment, and that musictk.toml: a preset that is given in one
    of them replaces what is given in a lower one.
    """
    above = max(rank(context, name) for name in ("preset", "config", "from_"))
    named = ("arch", "tokenizer", "size", "steps", "epochs")
    ignored = {name for name in named if rank(context, name) < above}
    steps, epochs = rank(context, "steps"), rank(context, "epochs")
    if steps == epochs != 0 and "steps" not in ignored:
        raise UsageError("--steps and --epochs cannot both be given", "leave one out")
    return ignored | ({"epochs"} if steps > epochs else {"steps"})
