"""`musictk train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any

import typer

from musictk.cli.context import rank, require_alone, session
from musictk.cli.output import Output
from musictk.cli.settings import assignments


def train(
    context: typer.Context,
    arch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Architecture (see `plugins`).", show_default="conformer"
        ),
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
        typer.Option(metavar="N", min=0, help="Epochs to train, instead of --steps."),
    ] = None,
    condition: Annotated[
        str,
        typer.Option(
            metavar="CATEGORIES", help="Label categories to condition on, separated by commas."
        ),
    ] = "composer",
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="TOML file of settings, in the format of a preset."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting, such as bpe=5000 or clip=0.5."
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(metavar="N", help="Random seed.")] = None,
    device: Annotated[
        str, typer.Option(metavar="DEVICE", help="Device: cpu, cuda or auto.")
    ] = "auto",
    resume: Annotated[
        str | None, typer.Option(metavar="RUN", help="Resume this run, with its own settings.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="RUN",
            help="Fine-tune from this run's weights (learning rate x 0.1).",
        ),
    ] = None,
    lora: Annotated[
        int,
        typer.Option(
            metavar="RANK",
            min=0,
            help="With --from: train only LoRA adapters of this rank (0: off).",
        ),
    ] = 0,
    export: Annotated[
        str,
        typer.Option(
            metavar="KINDS",
            help="Export after training: onnx, torchscript, onnx-int8, onnx-fp16 or several.",
        ),
    ] = "",
) -> None:
    """Train a model on the catalog's music and write it to runs/.

    Without options, size and number of steps are chosen for this machine and corpus. Ctrl-C
    finishes the step, saves a checkpoint and prints the command that resumes the run. With --from,
    the starting weights are evaluated first and are the best checkpoint until a later one scores
    better. A run that diverges exits with code 1.
    """
    from musictk.cli.parse import names
    from musictk.cli.train_progress import TrainingBar, diverged, report
    from musictk.jobs.plan import TrainRequest
    from musictk.jobs.train import run

    here = session(context)
    request = TrainRequest(
        **_overriding(
            context, arch=arch, tokenizer=tokenizer, size=size, steps=steps, epochs=epochs
        ),
        preset=preset,
        conditions=names(condition),
        config=config,
        overrides=assignments(settings or []),
        seed=seed,
        device=device,
        resume=resume,
        start=from_,
        lora=lora,
        export=names(export),
    )
    if resume is not None:
        # Environment variables and musictk.toml apply to new runs only.
        hint = "to fine-tune with other settings: musictk train --from RUN"
        require_alone(context, "--resume", hint, but=("resume", "device"))
        request = TrainRequest(resume=resume, device=device)
    leads = os.environ.get("RANK", "0") == "0"  # under torchrun one process prints for all
    output = here.output if leads else Output(quiet=True)
    with here.catalog() as catalog, TrainingBar(output) as bar:
        result = run(catalog, here.workspace, request, bar)
    if leads:
        report(output, result)
    if result.outcome.diverged and leads:
        raise diverged(result)
    if result.outcome.diverged:
        raise typer.Exit(1)
    if result.unexported is not None:
        raise result.unexported
    if result.outcome.interrupted:
        raise typer.Exit(130)


def _overriding(context: typer.Context, **values: Any) -> dict[str, Any]:
    """The values whose source has at least the precedence of --preset, --config and --from.

    Of steps and epochs, the one from the source of higher precedence is kept.
    """
    ranks = {name: rank(context, name) for name in values}
    above = max(rank(context, name) for name in ("preset", "config", "from_"))
    kept = {name: value if ranks[name] >= above else None for name, value in values.items()}
    if None not in (kept["steps"], kept["epochs"]) and ranks["steps"] != ranks["epochs"]:
        kept[min(("steps", "epochs"), key=ranks.__getitem__)] = None
    return kept
