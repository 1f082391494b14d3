"""`musictk sweep`."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import CommandSession, session
from musictk.cli.settings import assignments
from musictk.cli.train import (
    ConfigOption,
    DeviceOption,
    ExportOption,
    TrackOption,
    option_sources,
)
from musictk.errors import MusictkError, UsageError

if TYPE_CHECKING:
    from musictk.catalog import Catalog
    from musictk.jobs.config import RunConfig
    from musictk.jobs.sweep import SweepResult, SweepRun


def sweep(
    context: typer.Context,
    arch: Annotated[
        str, typer.Option(metavar="NAMES", help="Architectures.", show_default="gpt")
    ] = "",
    tokenizer: Annotated[
        str, typer.Option(metavar="NAMES", help="Tokenizers.", show_default="remi")
    ] = "",
    size: Annotated[
        str,
        typer.Option(metavar="SIZES", help="Model sizes.", show_default="chosen automatically"),
    ] = "",
    name: Annotated[
        str, typer.Option(metavar="NAME", help="Name of the sweep: the names of its runs start so.")
    ] = "sweep",
    preset: Annotated[str, typer.Option(metavar="NAMES", help="Presets.")] = "",
    steps: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS", help="Training steps.", show_default="chosen automatically"
        ),
    ] = "",
    epochs: Annotated[
        str, typer.Option(metavar="NUMBERS", help="Epochs to train, instead of --steps.")
    ] = "",
    minutes: Annotated[
        str,
        typer.Option(
            metavar="NUMBERS", help="Minutes that each run is to take, instead of --steps."
        ),
    ] = "",
    condition: Annotated[
        str,
        typer.Option(metavar="CATEGORIES", help="Label categories to condition on, in every run."),
    ] = "composer",
    config: ConfigOption = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUES",
            help="Any setting, such as model.dim=64,128. [64, 256] in brackets is one value.",
        ),
    ] = None,
    seed: Annotated[
        str, typer.Option("--seeds", "--seed", metavar="NUMBERS", help="Random seeds.")
    ] = "",
    device: DeviceOption = "auto",
    from_: Annotated[
        str,
        typer.Option("--from", metavar="RUNS", help="Fine-tune from the weights of these runs."),
    ] = "",
    lora: Annotated[
        str, typer.Option(metavar="RANKS", help="With --from: ranks of LoRA adapters (0: off).")
    ] = "",
    export: ExportOption = "",
    track: TrackOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List the runs without training them.")
    ] = False,
) -> None:
    """Train a run for each combination of settings, and compare them.

    Options take several values, separated by commas: musictk sweep --arch gpt,conformer --set
    lr=1e-3,3e-4 --seeds 0,1,2. The same command again continues the sweep: finished runs are
    skipped, interrupted ones resumed, failed ones trained again. The table at the end has the mean
    and the sample standard deviation over seeds. Exit code 1 means that a run diverged or failed,
    130 that the sweep was interrupted.
    """
    from musictk.cli.parse import names
    from musictk.jobs import sweep as job

    if os.environ.get("WORLD_SIZE", "1") != "1":
        raise UsageError("sweep does not run under torchrun", "run: torchrun … musictk train")
    here = session(context)
    choices = _choices(
        {
            "preset": (preset, str),
            "from": (from_, str),
            "size": (size, str),
            "arch": (arch, str),
            "tokenizer": (tokenizer, str),
            "epochs": (epochs, _number),
            "minutes": (minutes, _number),
            "steps": (steps, int),
            "lora": (lora, int),
        },
        settings or [],
        seed,
    )
    fixed = {
        "export": names(export) or None,
        "condition": names(condition),
        "track": tuple(track or ()),
    }
    with here.catalog() as catalog:
        configure = partial(_configure, context, catalog, config, fixed)
        runs = job.plan(name, choices, configure)
        if dry_run:
            here.output.table(
                [
                    {"run": run.name, "status": job.status(catalog, here.workspace, run)}
                    | dict(run.values)
                    for run in runs
                ]
            )
            return
        _train(here, catalog, runs, device)


def _choices(
    options: Mapping[str, tuple[str, Callable[[str], Any]]], settings: Sequence[str], seeds: str
) -> dict[str, list[Any]]:
    """The values of each option and setting that was given, by its name."""
    from musictk.generation.control_text import listed

    choices: dict[str, list[Any]] = {}

    def add(flag: str, key: str, text: str, parse: Callable[[str], Any]) -> None:
        parts = listed(text)
        if not all(parts):
            raise UsageError(f"{flag} {text!r} has an empty value", "separate values by commas")
        try:
            choices[key] = [parse(part) for part in parts]
        except ValueError as error:
            raise UsageError(f"{flag} {text!r} is not a list of numbers", "such as 1,2") from error

    for key, (text, kind) in options.items():
        if text:
            add(f"--{key}", key, text, kind)
    for pair in settings:
        ((group, (key,)),) = assignments([pair]).items()
        text = pair.partition("=")[2].strip()
        add("--set", f"{group}.{key}" if group else key, text, _value)
    if seeds:
        add("--seeds", "seed", seeds, int)
    return choices


def _number(text: str) -> float:
    return int(text) if text.isdecimal() else float(text)


def _value(text: str) -> Any:
    return assignments([f"x={text}"])[""]["x"]


_NAMED = ("arch", "tokenizer", "epochs", "minutes", "steps", "seed")
OPTIONS = ("preset", "from", "size", *_NAMED, "lora")


def _configure(
    context: typer.Context,
    catalog: Catalog,
    config: Path | None,
    fixed: Mapping[str, Any],
    values: Mapping[str, Any],
) -> RunConfig:
    """The settings of one combination, merged as those of `train`."""
    from musictk.jobs.merge import merge
    from musictk.jobs.sources import base_sources

    own: dict[str, dict[str, Any]] = {}
    for key in (key for key in values if key not in OPTIONS):
        group, _, last = key.rpartition(".")
        own.setdefault(group, {})[last] = values[key]
    options = {
        "size": values.get("size"),
        "settings": own or None,
        **{key: values.get(key) for key in _NAMED},
        "lora": values.get("lora"),
        **fixed,
    }
    base = base_sources(catalog, values.get("from"), values.get("preset"), config)
    return merge([*base, *option_sources(context, options, "sweep")])


def _train(here: CommandSession, catalog: Catalog, runs: Sequence[SweepRun], device: str) -> None:
    """Train the runs, print how each ended and the comparison; raises typer.Exit."""
    from musictk.cli.sweep_progress import SweepBar, counts
    from musictk.jobs import sweep as job

    results: list[SweepResult] = []
    here.output.note(f"{len(runs)} runs: {counts(catalog, here.workspace, runs)}")
    stopped = False
    try:
        with SweepBar(here.output) as bar:
            for result in job.sweep(catalog, here.workspace, runs, bar, device):
                results.append(result)
    except KeyboardInterrupt:
        stopped = True
    stopped = stopped or any(each.status == "interrupted" for each in results)
    report(here, catalog, results, compared=not stopped)
    if stopped:
        here.output.note("interrupted; to continue, run the same command again")
        raise typer.Exit(130)
    failed = [each for each in results if each.status != "finished"]
    if failed:
        raise MusictkError(f"{len(failed)} of {len(runs)} runs did not finish", "see above")


def report(
    here: CommandSession,
    catalog: Catalog,
    results: Sequence[SweepResult],
    compared: bool,
) -> None:
    """Print the comparison of the finished runs, if wanted."""
    from musictk.cli import compare
    from musictk.jobs.compare import compare as job

    finished = [each.run.name for each in results if each.status == "finished"]
    found = None
    if finished and compared:
        try:
            with here.output.progress("scoring") as bar:
                found = job(catalog, here.workspace, finished, "valid", bar.update)
        except MusictkError as error:
            here.output.warn(f"the runs cannot be compared: {error}")
    if here.output.json:
        rows = [
            {
                "run": each.run.name,
                "values": dict(each.run.values),
                "status": each.status,
                "why": each.why,
            }
            for each in results
        ]
        here.output.result(
            {"runs": rows, "comparison": found.plain_groups() if found is not None else []}
        )
    elif found is not None:
        compare.report(here.output, found, group=True)
