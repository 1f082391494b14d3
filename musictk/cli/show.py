"""`musictk show`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import rank, session
from musictk.cli.music import MusicFile, named_music
from musictk.errors import UsageError
from musictk.files import require_writable


def show(
    context: typer.Context,
    file: MusicFile,
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
    """Draw the piano roll of a piece, coloured by section.

    Of a sample whose bars were rewritten, named by its id: by what was given and what was written.
    """
    from musictk.jobs.form_sections import spans_of
    from musictk.rendering import pianoroll
    from musictk.rendering.pictures import require_format

    here = session(context)
    if rank(context, "run") == 3 and not attention:
        raise UsageError("--run is for the attention of a model", "add --attention")
    music = named_music(here, file)
    target = out or (music.path.with_suffix(".attention.png") if attention else None)
    if target is None:
        stdout, found = here.output.stdout, spans_of(music, here.catalog_if_any)
        drawn = pianoroll.text(
            music.score,
            found,
            stdout.width,
            colour=stdout.color_system is not None and not stdout.no_color,
            encoding=sys.stdout.encoding,
        )
        here.output.block({"sections": found}, drawn)
        return
    require_format(target)
    require_writable(target)
    if attention:
        from musictk.jobs.attention import draw_attention

        with here.catalog() as catalog:
            draw_attention(catalog, here.workspace, music.score, run, target)
        here.output.result({"path": str(target)}, str(target))
        return
    found = spans_of(music, here.catalog_if_any)
    pianoroll.draw(music.score, found, target, title=music.path.stem)
    here.output.result({"path": str(target), "sections": found}, str(target))
