"""`musictk sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.errors import UsageError


def sample(
    context: typer.Context,
    composer: Annotated[
        str | None, typer.Option(help="In this style; mixed: Bach:0.6,Chopin:0.4.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="CATEGORY=VALUE, of a category trained on.")
    ] = None,
    form: Annotated[str, typer.Option(help="AABA, 'A8 B4 A8', verse-chorus-bridge, rondo, …")] = "",
    bars: Annotated[int, typer.Option(min=0, help="Bars, of each section if there is a form.")] = 0,
    prompt: Annotated[Path | None, typer.Option(help="Go on from this MIDI or ABC file.")] = None,
    count: Annotated[int, typer.Option(min=1, help="Make so many, side by side.")] = 1,
    seed: Annotated[int | None, typer.Option(help="By default a new one each time.")] = None,
    temperature: Annotated[float, typer.Option(min=0, help="Above 1 is wilder.")] = 0.95,
    top_k: Annotated[int, typer.Option(min=0, help="Only the k likeliest; 0 is all.")] = 0,
    top_p: Annotated[float, typer.Option(min=0, max=1, help="Only the likeliest p.")] = 0.95,
    min_p: Annotated[float, typer.Option(min=0, max=1, help="As likely as p times the best.")] = 0,
    sampler: Annotated[
        list[str] | None,
        typer.Option(help="A plugin's, after those: NAME or NAME:key=value,… (see `plugins`)."),
    ] = None,
    guidance: Annotated[float, typer.Option(min=0, help="How strictly to obey the labels.")] = 1.5,
    variation: Annotated[
        float, typer.Option(min=0, max=1, help="Of a returning section; 0 repeats exactly.")
    ] = 0.3,
    contrast: Annotated[
        float, typer.Option(min=0, help="How far a new section turns away from those before.")
    ] = 0.0,
    free_metre: Annotated[
        bool, typer.Option("--free-metre", help="Let the metre change on the way.")
    ] = False,
    blend: Annotated[
        float, typer.Option(min=0, max=1, help="Weight of a returning theme in memory.")
    ] = 0.5,
    ramp: Annotated[int, typer.Option(min=0, help="Bars over which that weight rises.")] = 2,
    figure: Annotated[
        float, typer.Option(min=0, help="Bars that a departure from the theme lasts.")
    ] = 0.5,
    memory: Annotated[
        int, typer.Option(min=0, help="Positions of running memory; 0: as many as in training.")
    ] = 0,
    runtime: Annotated[
        str, typer.Option(help="torch, torchscript or onnx (the newest export of the run).")
    ] = "torch",
    run: Annotated[str | None, typer.Option(help="A run; by default the newest.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="A bundle's directory, instead of a run.")
    ] = None,
    like: Annotated[int | None, typer.Option(help="Make this sample again, bit for bit.")] = None,
    out: Annotated[Path | None, typer.Option("--output", "-o", help="The file to write.")] = None,
) -> None:
    """Compose a piece and write it as MIDI, with a marker at each section."""
    from musictk.cli.composing import CompositionBar, report
    from musictk.cli.words import conditions, samplers
    from musictk.generation.request import Memory, Request, chain
    from musictk.jobs import sample as job
    from musictk.jobs.bundles import Source

    here = session(context)
    source = Source(run=run, bundle=bundle, runtime=runtime)
    with here.catalog() as catalog, CompositionBar(here.output) as bar:
        if like is not None:
            made = job.again(catalog, here.workspace, like, out, bar)
        else:
            request = Request(
                conditions=conditions(composer, label or []),
                form=form,
                bars=bars,
                seed=job.fresh_seed() if seed is None else seed,
                count=count,
                guidance=guidance,
                samplers=chain(temperature, top_k, top_p, min_p) + samplers(sampler or []),
                memory=Memory(memory, variation, blend, ramp, contrast, figure),
                steady_metre=not free_metre,
            )
            made = job.sample(catalog, here.workspace, source, request, out, bar, prompt)
    if not made:
        raise UsageError("nothing was made")
    report(here.output, made)
