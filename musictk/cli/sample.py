"""`musictk sample`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from musictk.cli.context import require_alone, session


def _dial(usual: str, said: str, **limits: Any) -> Any:
    """An option of `Sampling`: where it is not given, the model may have a value of its own."""
    return typer.Option(help=said, show_default=usual, min=0, **limits)


def sample(
    context: typer.Context,
    composer: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Composer to imitate, or a mix: Bach:0.6,Chopin:0.4."),
    ] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(
            metavar="CATEGORY=VALUE", help="Label of a category the model was trained on."
        ),
    ] = None,
    form: Annotated[
        str,
        typer.Option(metavar="FORM", help="Form: AABA, 'A8 B4 A8', verse-chorus-bridge, rondo, …"),
    ] = "",
    bars: Annotated[
        int,
        typer.Option(metavar="N", min=0, help="Bars to write; with --form, bars per section."),
    ] = 0,
    prompt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MIDI or ABC file to continue; its bars are kept."),
    ] = None,
    theme: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MIDI or ABC file to use as section A of the form."),
    ] = None,
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Write only the new bars, without the given file's.")
    ] = False,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of pieces to compose.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Random seed.", show_default="a new one")
    ] = None,
    temperature: Annotated[float | None, _dial("0.95", "Above 1 is wilder.")] = None,
    top_k: Annotated[int | None, _dial("0", "Only the k likeliest; 0 is all.")] = None,
    top_p: Annotated[float | None, _dial("0.95", "Only the likeliest p.", max=1)] = None,
    min_p: Annotated[float | None, _dial("0.0", "As likely as p times the best.", max=1)] = None,
    sampler: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:KEY=VALUE,…", help="Another sampler to apply after these (see `plugins`)."
        ),
    ] = None,
    guidance: Annotated[float | None, _dial("1.5", "How strictly to obey the labels.")] = None,
    variation: Annotated[
        float | None, _dial("0.3", "Of a returning section; 0 repeats exactly.", max=1)
    ] = None,
    contrast: Annotated[
        float | None, _dial("0.0", "How far a new section turns away from those before.")
    ] = None,
    metre: Annotated[
        str | None,
        typer.Option(help="steady, free to change, or one such as 3/4.", show_default="steady"),
    ] = None,
    blend: Annotated[
        float | None, _dial("0.5", "Weight of a returning theme in memory.", max=1)
    ] = None,
    ramp: Annotated[int | None, _dial("2", "Bars over which that weight rises.")] = None,
    figure: Annotated[
        float | None, _dial("0.5", "Bars that a departure from the theme lasts.")
    ] = None,
    memory: Annotated[
        int | None, _dial("0", "Positions of running memory; 0: as many as in training.")
    ] = None,
    prompt_tokens: Annotated[
        int | None, _dial("0", "Hear only the last so many of the prompt; 0 is all.")
    ] = None,
    max_tokens: Annotated[
        int | None, _dial("0", "End after so many; 0: when the bars are written.")
    ] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            metavar="RUNTIME",
            help="Runtime: torch, or torchscript or onnx (the run's newest export).",
            show_default="torch; with --bundle, the one it was written for",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Run to sample.", show_default="newest finished run"),
    ] = None,
    bundle: Annotated[
        Path | None,
        typer.Option(metavar="DIRECTORY", help="Bundle to sample, instead of a run."),
    ] = None,
    like: Annotated[
        int | None,
        typer.Option(metavar="ID", help="Repeat the sample with this id, bit for bit."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="MIDI file to write.")
    ] = None,
) -> None:
    """Compose a piece and write it as MIDI, with a marker at each section.

    Sampling options default to the model's saved defaults, else to the values shown here.
    """
    from musictk.cli.parse import conditions, samplers
    from musictk.cli.sample_progress import CompositionBar, report
    from musictk.jobs import sample as job
    from musictk.jobs.bundles import ModelSource

    here = session(context)
    if like is not None:
        hint = "it repeats the sample with its settings; only -o may be added"
        require_alone(context, "--like", hint, but=("like", "out"))
    dials = {
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "min_p": min_p,
        "guidance": guidance,
        "variation": variation,
        "contrast": contrast,
        "metre": metre,
        "blend": blend,
        "ramp": ramp,
        "figure": figure,
        "memory": memory,
        "prompt_tokens": prompt_tokens,
        "max_tokens": max_tokens,
    }
    asked = job.SampleRequest(
        source=ModelSource(run=run, bundle=bundle, runtime=runtime),
        labels=conditions(composer, label or []),
        form=form,
        bars=bars,
        seed=seed,
        count=count,
        dials={name: value for name, value in dials.items() if value is not None},
        samplers=samplers(sampler or []),
        prompt=prompt,
        theme=theme,
        new_only=new_only,
    )
    with here.catalog() as catalog, CompositionBar(here.output) as bar:
        if like is not None:
            batch = job.repeat_sample(catalog, here.workspace, like, out, bar)
        else:
            batch = job.sample(catalog, here.workspace, asked, out, bar)
    report(here.output, batch)
    if batch.failed:
        raise typer.Exit(3)
