"""`musictk sample`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from musictk.cli.context import require_alone, session
from musictk.cli.sampling_options import sampling_options


@sampling_options(after={"temperature": "seed", "guidance": "sampler"})
def sample(
    context: typer.Context,
    composer: Annotated[
        str | None, typer.Option(help="In the style of; mix styles with Bach:0.6,Chopin:0.4.")
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="CATEGORY=VALUE to condition on, of a category trained on."),
    ] = None,
    form: Annotated[str, typer.Option(help="AABA, 'A8 B4 A8', verse-chorus-bridge, rondo, …")] = "",
    bars: Annotated[int, typer.Option(min=0, help="New bars; with --form, bars per section.")] = 0,
    prompt: Annotated[
        Path | None, typer.Option(help="MIDI or ABC file to continue; its own bars are kept.")
    ] = None,
    theme: Annotated[
        Path | None, typer.Option(help="File to use, unchanged, as section A of --form.")
    ] = None,
    new_only: Annotated[bool, typer.Option("--new-only", help="Write only the new bars.")] = False,
    count: Annotated[int, typer.Option(min=1, help="Number of pieces.")] = 1,
    seed: Annotated[int | None, typer.Option(help="Random seed.", show_default="a new one")] = None,
    sampler: Annotated[
        list[str] | None,
        typer.Option(help="Add a plugin's sampler: NAME or NAME:key=value,… (see `plugins`)."),
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="torch, torchscript or onnx (of a run: its newest such export).",
            show_default="torch; of a bundle, what it was made for",
        ),
    ] = None,
    run: Annotated[str | None, typer.Option(help="A run; by default the newest.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's directory, instead of a run.")
    ] = None,
    like: Annotated[
        int | None, typer.Option(help="Repeat the sample with this id, bit for bit.")
    ] = None,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
    *,
    sampling: Mapping[str, Any],
) -> None:
    """Compose a piece and write it as MIDI, with a marker at each section.

    Sampling options default to those saved with the model, else to the values shown here.
    """
    from musictk.cli.sample_progress import CompositionBar, report
    from musictk.cli.words import conditions, samplers
    from musictk.jobs import sample as job
    from musictk.jobs.bundles import ModelSource

    here = session(context)
    if like is not None:
        why = "--like makes a sample again as it was"
        require_alone(context, why, "give -o alone beside it", but=("like", "out"))
    asked = job.Asked(
        source=ModelSource(run=run, bundle=bundle, runtime=runtime),
        labels=conditions(composer, label or []),
        form=form,
        bars=bars,
        seed=seed,
        count=count,
        options=sampling,
        samplers=samplers(sampler or []),
        prompt=prompt,
        theme=theme,
        new_only=new_only,
    )
    with here.catalog() as catalog, CompositionBar(here.output) as bar:
        if like is not None:
            batch = job.again(catalog, here.workspace, like, out, bar)
        else:
            batch = job.sample(catalog, here.workspace, asked, out, bar)
    report(here.output, batch)
    if batch.failed:
        raise typer.Exit(3)
