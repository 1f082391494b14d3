"""`musictk show`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.files import require_writable


def show(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="MIDI file to draw.")],
    out: Annotated[
        Path | None,
        typer.Option(
            *("--output", "-o"),
            metavar="FILE",
            help="Picture to write: .png, .svg or .pdf.",
            show_default="draw in the terminal",
        ),
    ] = None,
    attention: Annotated[
        bool, typer.Option("--attention", help="Draw a model's attention over the piece.")
    ] = False,
    run: Annotated[
        str | None,
        typer.Option(
            metavar="RUN", help="Run for --attention.", show_default="newest finished run"
        ),
    ] = None,
) -> None:
    """Draw the piano roll of a MIDI file, coloured by section."""
    from musictk.jobs.evaluate import read_score
    from musictk.rendering import pianoroll
    from musictk.rendering.midi import sections
    from musictk.rendering.pictures import require_format

    here = session(context)
    target = out or (file.with_suffix(".attention.png") if attention else None)
    if target is not None:
        require_format(target)
        require_writable(target)
    score = read_score(file)
    if attention:
        from musictk.jobs.attention import draw_attention

        with here.catalog() as catalog:
            draw_attention(catalog, here.workspace, score, run, target)
        here.output.result({"path": str(target)}, str(target))
        return
    found = sections(score)
    if out is None:
        stdout = here.output.stdout
        drawn = pianoroll.text(score, found, stdout.width, colour=stdout.is_terminal)
        here.output.block({"sections": found}, drawn)
        return
    pianoroll.draw(score, found, out, title=file.stem)
    here.output.result({"path": str(out), "sections": found}, str(out))
