"""The `musictk` program."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from musictk import __version__
from musictk.cli.config import check_file
from musictk.cli.context import Session
from musictk.cli.output import Output
from musictk.cli.settings import bind, defaults
from musictk.errors import MusictkError
from musictk.workspace import here


def build_command() -> Any:
    """The whole command line, with the commands of every plugin."""
    from typer.main import get_command

    from musictk.cli import commands
    from musictk.plugin import registry

    app = typer.Typer(
        name="musictk",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback()(_root)
    commands.add_to(app)
    registry().add_commands(app)
    return bind(get_command(app), defaults())


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"musictk {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    catalog: Annotated[
        str, typer.Option(help="Catalog URL; by default ./catalog.db.", show_default=False)
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print data as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no notes.")] = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Steerable symbolic music generation on your own files.

    Start with: musictk ingest ./midis; musictk train; musictk sample -o out.mid; musictk export.
    """
    check_file(context)
    workspace = here()
    context.obj = Session(workspace, catalog or workspace.catalog_url, Output(json, quiet))


def main(arguments: list[str] | None = None) -> Any:
    """Run the program; every error a user can mend ends in one line and its exit code."""
    try:
        return build_command()(arguments)
    except MusictkError as error:
        Output().error(str(error))
        sys.exit(error.exit_code)
