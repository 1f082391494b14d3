"""`musictk sample`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from musictk.cli.context import CommandSession, require_alone, session
from musictk.cli.sampling_options import sampling_options

if TYPE_CHECKING:
    from musictk.cli.sample_audio import SampleAudio
    from musictk.jobs.samples import SampleBatch

NEWEST = "newest finished run; without one, built-in"
_OUTPUT = ("out", "soundfont", "play")  # parameters that change nothing in a piece


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
            help="Bars to write (0: 16); with --form, of each section (0: 8);"
            " with --infill, which: 9-12,20.",
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
        str, typer.Option(metavar="CHORDS", help="Chords, a bar each: 'Am | F | C G | %'.")
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
            metavar="NAMES|N",
            help="With --accompany, the tracks that are given, such as 'Bass, 2'; with --infill,"
            " those to rewrite.",
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
    original: Annotated[
        bool,
        typer.Option(
            "--original",
            help="Draw a piece again while it shares more with the training pieces than human"
            " music does, up to 20 times.",
        ),
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
            help="Runtime: torch (a run's weights), or torchscript or onnx (its newest export).",
            show_default="on a CPU onnx if exported, else torch; with --bundle, its own",
        ),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option(metavar="RUN", help="Run to sample.", show_default=NEWEST),
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
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            help="MIDI file to write; .wav, .flac, .mp3 or .ogg: audio, with its MIDI beside it.",
        ),
    ] = None,
    soundfont: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="SoundFont for audio: .sf2 or .sf3.",
            show_default="as render chooses it",
        ),
    ] = None,
    play: Annotated[bool, typer.Option("--play", help="Play the pieces when written.")] = False,
    *,
    sampling: Mapping[str, Any],
) -> None:
    """Compose a piece and write it as MIDI, with a marker at each section.

    Sampling options default to the model's saved defaults, else to the values shown here. With -o
    out.wav the piece is written to out.mid and its audio to out.wav. Exit code 3 means that some of
    the pieces could not be written.
    """
    from musictk.cli.parse import conditions, controls, samplers, sections
    from musictk.cli.sample_audio import SampleAudio
    from musictk.cli.sample_progress import CompositionBar
    from musictk.jobs import sample as job
    from musictk.jobs.bundles import ModelSource
    from musictk.jobs.samples import SampleRequest

    here = session(context)
    sound = SampleAudio.prepare(out, soundfont, play, count)
    if like is not None:
        batch = _from_stored(context, like, section or [], sound.midi, seed, count)
        _finish(here, batch, sound)
        return
    asked = SampleRequest(
        source=ModelSource(run=run, bundle=bundle, runtime=runtime),
        labels=conditions(composer, label or []),
        form=form,
        bars="" if bars == "0" else bars,
        controls=(
            *controls([*([f"chord={chords}"] if chords else []), *(control or [])]),
            *sections(section or []),
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
        original=original,
    )
    with here.catalog_if_any() as catalog, CompositionBar(here.output) as bar:
        batch = job.sample(catalog, here.workspace, asked, sound.midi, bar)
    _finish(here, batch, sound)


def _finish(here: CommandSession, batch: SampleBatch, sound: SampleAudio) -> None:
    """Write audio, report the files, and end with an error where one could not be written."""
    from musictk.cli.sample_progress import report

    rendered = sound.render(here.output, batch)
    report(here.output, batch, rendered.files)
    if rendered.failed:
        raise rendered.failed[0]
    if batch.moved:
        raise batch.moved[0]
    sound.play(here.output, batch)
    if batch.failed:
        raise typer.Exit(3)


def _from_stored(
    context: typer.Context,
    like: int,
    section: list[str],
    out: Path | None,
    seed: int | None,
    count: int,
) -> SampleBatch:
    """Repeat a stored sample, or write one of its sections again."""
    from musictk.cli.parse import section_to_rewrite
    from musictk.cli.sample_progress import CompositionBar
    from musictk.jobs.recompose import recompose
    from musictk.jobs.sample import repeat_sample

    here, rewritten = session(context), section_to_rewrite(section)
    _require_alone(context, rewritten)
    with here.catalog() as known, CompositionBar(here.output) as bar:
        if rewritten is None:
            return repeat_sample(known, here.workspace, like, out, bar)
        return recompose(known, here.workspace, like, rewritten, out, seed, count, bar)


def _require_alone(context: typer.Context, section: str | None) -> None:
    """Raise UsageError for options that do not belong to those of a stored sample."""
    if section is not None:
        hint = (
            "it uses the settings of the sample; only --seed, --count, -o and --play may be added"
        )
        allowed = ("like", "section", "seed", "count", *_OUTPUT)
        require_alone(context, "--section", hint, allowed)
    else:
        hint = (
            "it repeats the sample with its settings; only -o and --play may be added,"
            " or --section to write a section again"
        )
        require_alone(context, "--like", hint, but=("like", *_OUTPUT))
