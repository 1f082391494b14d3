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
    from musictk.jobs.plan import TrainRequest
    from musictk.jobs.train import run

    here = session(context)
    request = TrainRequest(
        **_heeded(context, arch=arch, tokenizer=tokenizer, size=size, steps=steps, epochs=epochs),
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
        # What stands in the environment or in the file is for new runs.
        why = "--resume goes on as the run began"
        hint = "train --from RUN goes further with other settings"
        require_alone(context, why, hint, but=("resume", "device"))
        request = TrainRequest(resume=resume, device=device)
    leads = os.environ.get("RANK", "0") == "0"  # under torchrun one process speaks for all
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


def _heeded(context: typer.Context, **values: Any) -> dict[str, Any]:
    """What --preset, --config or --from may not set aside, being said as high up as they are.

    Of steps and epochs the one said higher up holds.
    """
    ranks = {name: rank(context, name) for name in values}
    above = max(rank(context, name) for name in ("preset", "config", "from_"))
    kept = {name: value if ranks[name] >= above else None for name, value in values.items()}
    if None not in (kept["steps"], kept["epochs"]) and ranks["steps"] != ranks["epochs"]:
        kept[min(("steps", "epochs"), key=ranks.__getitem__)] = None
    return kept
