"""The `musictk` program."""

from __future__ import annotations

import io
import os
import sys
from contextlib import suppress
from typing import Annotated, Any, NoReturn

import typer

from musictk import __version__
from musictk.cli.config import check_file
from musictk.cli.context import Session
from musictk.cli.output import Output, printing
from musictk.cli.settings import bind, defaults
from musictk.errors import MusictkError
from musictk.files import cause
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
    """Run the program; whatever the user or the system can be blamed for ends in one line."""
    _print_anything()
    try:
        try:
            return build_command()(arguments)
        finally:
            _flush()
    except MusictkError as error:
        _fail(str(error), error.exit_code)
    except BrokenPipeError:  # whoever read our output has read enough
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"the system refused: {where}{cause(error)}")
    except ImportError as error:  # too many open files look like a missing module
        _fail(f"a part of musictk cannot be loaded: {cause(error)}; run: musictk doctor")
    except MemoryError:
        _fail("there is not enough memory; give less at once, or close other programs")


def _fail(message: str, code: int = 1) -> NoReturn:
    with suppress(OSError):  # nobody may be there to read it
        Output().error(message)
    sys.exit(code)


def _print_anything() -> None:
    """Print a question mark where the terminal cannot show a character, instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="replace")


def _flush() -> None:
    """Write out what was printed while a failure can still be reported."""
    try:
        with printing():
            if sys.stdout is not None:
                sys.stdout.flush()
    except (MusictkError, BrokenPipeError):
        # The interpreter flushes once more at its end, and would complain of the same.
        with suppress(OSError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        raise
