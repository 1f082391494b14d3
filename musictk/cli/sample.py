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
        str,
        typer.Option(
            metavar="N",
            help="Bars to write; with --form, bars per section; with --infill, which: 9-12,20.",
        ),
    ] = "0",
    control: Annotated[
        list[str] | None,
        typer.Option(
            metavar="[BARS: ]NAME=VALUE,…",
            help="Controls of the piece or of bars: 'key=E minor', '9-12: polyphony=4'.",
        ),
    ] = None,
    section: Annotated[
        list[str] | None,
        typer.Option(
            metavar="LABEL[: …]",
            help="Controls of a section: 'B: key=E minor'. With --like ID, the section to rewrite.",
        ),
    ] = None,
    chords: Annotated[
        str, typer.Option(metavar="CHORDS", help="Chords, a bar each: 'Am | F | C G | Am'.")
    ] = "",
    prompt: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MIDI or ABC file to continue; its bars are kept."),
    ] = None,
    theme: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MIDI or ABC file to use as section A of the form."),
    ] = None,
    infill: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="MIDI or ABC file of which --bars are written again, no others."
        ),
    ] = None,
    keep: Annotated[
        str,
        typer.Option(
            metavar="WHAT", help="With --infill: keep the rhythm, harmony or melody of the bars."
        ),
    ] = "",
    accompany: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="MIDI or ABC file to write another part beside."),
    ] = None,
    track: Annotated[
        str,
        typer.Option(
            metavar="NAME|N",
            help="With --accompany, the track that is given; with --infill, the one to rewrite.",
            show_default="all",
        ),
    ] = "",
    program: Annotated[
        str,
        typer.Option(
            metavar="NAME",
            help="With --accompany: instrument of the new part, such as 'Acoustic Bass'.",
            show_default="as the model writes it",
        ),
    ] = "",
    new_only: Annotated[
        bool, typer.Option("--new-only", help="Write only the new bars, without the given file's.")
    ] = False,
    count: Annotated[
        int, typer.Option(metavar="N", min=1, help="Number of pieces to compose.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="Random seed.", show_default="a new one")
    ] = None,
    sampler: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:KEY=VALUE,…",
            help="Another sampler, applied after top-p and min-p (see `plugins`).",
        ),
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
    *,
    sampling: Mapping[str, Any],
) -> None:
    """Compose a piece and write it as MIDI, with a marker at each section.

    Sampling options default to the model's saved defaults, else to the values shown here. Exit code
    3 means that some of the pieces could not be written.
    """
    from musictk.cli.parse import conditions, controls, samplers, section_to_rewrite, sections
    from musictk.cli.sample_progress import CompositionBar, report
    from musictk.jobs import sample as job
    from musictk.jobs.bundles import ModelSource
    from musictk.jobs.recompose import recompose
    from musictk.jobs.samples import SampleRequest

    here = session(context)
    rewritten = None if like is None else section_to_rewrite(section or [])
    if like is not None:
        _require_alone(context, rewritten)
    asked = SampleRequest(
        source=ModelSource(run=run, bundle=bundle, runtime=runtime),
        labels=conditions(composer, label or []),
        form=form,
        bars="" if bars == "0" else bars,
        controls=(
            *controls([*([f"chord={chords}"] if chords else []), *(control or [])]),
            *sections([] if like is not None else section or []),
        ),
        seed=seed,
        count=count,
        options=sampling,
        samplers=samplers(sampler or []),
        prompt=prompt,
        theme=theme,
        infill=infill,
        keep=keep,
        accompany=accompany,
        track=track,
        program=program,
        new_only=new_only,
    )
    bar = CompositionBar(here.output)
    if like is not None:
        with here.catalog() as known, bar:
            if rewritten is None:
                batch = job.repeat_sample(known, here.workspace, like, out, bar)
            else:
                batch = recompose(known, here.workspace, like, rewritten, out, seed, count, bar)
    else:
        needed = here.catalog() if bundle is None else here.catalog_if_any()
        with needed as catalog, bar:
            batch = job.sample(catalog, here.workspace, asked, out, bar)
    report(here.output, batch)
    if batch.moved:
        raise batch.moved[0]
    if batch.failed:
        raise typer.Exit(3)


def _require_alone(context: typer.Context, section: str | None) -> None:
    """Raise UsageError for options that do not belong to those of a stored sample."""
    if section is not None:
        hint = "it uses the settings of the sample; only --seed, --count and -o may be added"
        require_alone(context, "--section", hint, ("like", "section", "seed", "count", "out"))
    else:
        hint = "it repeats the sample with its settings; only -o may be added"
        require_alone(context, "--like", hint, but=("like", "out"))
