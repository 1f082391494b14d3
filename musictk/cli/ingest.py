"""`musictk ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.catalog import join_hints
from musictk.cli.context import session
from musictk.cli.output import no_file
from musictk.errors import UsageError


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Folders, files, .zip or .tar archives.")
    ],
    composer: Annotated[
        str | None, typer.Option(metavar="NAME", help="The composer of all these files.")
    ] = None,
    composers: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Table (CSV, TSV, JSON, xlsx) with the columns file and composer; a column split"
            " is used too.",
        ),
    ] = None,
    text: Annotated[bool, typer.Option("--text", help="Read .txt files as text too.")] = False,
    preview: Annotated[
        bool,
        typer.Option("--preview", help="Show the composers and splits found; write nothing."),
    ] = False,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Worker processes.", show_default="one per core"),
    ] = None,
) -> None:
    """Read music files into the catalog.

    Detects composers and near-duplicates, and assigns each file to a split. Composers come from
    folders, from file names (Composer - Title) and from the tables of data sets such as MAESTRO,
    official splits included. Run it again after adding files; unchanged files are skipped. Exit
    code 3 means that some files were rejected: see `musictk catalog rejected`.
    """
    from musictk.cli.ingest_progress import IngestBar, report, report_preview
    from musictk.ingest import IngestOptions, preview_names
    from musictk.ingest import ingest as run

    here = session(context)
    for path in paths:  # before a catalog is created
        if not path.exists():
            raise UsageError(f"{path.absolute()} does not exist", "give a folder, file, zip or tar")
    if composer is not None and not composer.strip():
        raise UsageError("--composer needs a name", "such as: --composer Bach")
    options = IngestOptions(composer=composer, composers=composers, text=text, workers=workers)
    if preview:
        shown = preview_names(paths, options)
        report_preview(here.output, shown)
        unknown = [key for key, _ in shown.names.tables.unknown]
    else:
        if here.location.found and here.workspace.root != Path.cwd():
            here.output.note(f"using the catalog in {here.workspace.root}")
        with here.catalog(create=True) as catalog, IngestBar(here.output) as bar:
            found = run(catalog, here.workspace, paths, options, bar)
            pairs = catalog.similar_composers()
        report(here.output, found)
        for hint in () if here.output.json else join_hints(context, pairs):
            here.output.note(hint)
        unknown = found.unknown
    if unknown and composers:
        here.output.warn(no_file(unknown, composers))
    if not preview and found.rejected:
        raise typer.Exit(3)
