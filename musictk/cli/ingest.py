"""`musictk ingest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from musictk.cli.context import session
from musictk.cli.output import no_file
from musictk.errors import UsageError


def ingest(
    context: typer.Context,
    paths: Annotated[
        list[Path], typer.Argument(metavar="PATH", help="Folders, files, .zip or .tar archives.")
    ],
    composers: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="CSV table with the columns file and composer."),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Worker processes.", show_default="one per core"),
    ] = None,
) -> None:
    """Read music files into the catalog.

    Detects composers and near-duplicates, and assigns each file to a split. Run it again after
    adding files; unchanged files are skipped. Exit code 3 means that some files were rejected: see
    `musictk catalog rejected`.
    """
    from musictk.cli.ingest_progress import IngestBar, report
    from musictk.ingest import IngestOptions
    from musictk.ingest import ingest as run

    here = session(context)
    for path in paths:  # before a catalog is created
        if not path.exists():
            raise UsageError(f"{path.absolute()} does not exist", "give a folder, file, zip or tar")
    options = IngestOptions(composers=composers, workers=workers)
    if here.location.found and here.workspace.root != Path.cwd():
        here.output.note(f"using the catalog in {here.workspace.root}")
    with here.catalog(create=True) as catalog, IngestBar(here.output) as bar:
        found = run(catalog, here.workspace, paths, options, bar)
    report(here.output, found)
    if found.unknown and composers:
        here.output.warn(no_file(found.unknown, composers))
    if found.rejected:
        raise typer.Exit(3)
