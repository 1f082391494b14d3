"""The `musictk` program."""

from __future__ import annotations

import io
import os
import sys
import traceback
from contextlib import suppress
from dataclasses import replace
from typing import Annotated, Any, NoReturn

import typer

from musictk import __version__
from musictk.cli import interruption, usage
from musictk.cli.completion import add_completion
from musictk.cli.context import session
from musictk.cli.global_options import CatalogOption, JsonOption, QuietOption, add_to_commands
from musictk.cli.output import Output, printing
from musictk.cli.settings import TRACEBACK, bind, unknown_variables
from musictk.errors import MusictkError
from musictk.files import cause
from musictk.threads import wait_passively


def build_command() -> Any:
    """The whole command line, including the commands of plugins."""
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
    command = get_command(app)
    add_to_commands(command)
    interruption.add_to(command)
    usage.add_to(command)
    add_completion(command)
    _hide_types(command)
    return bind(command, {})  # the settings are read when the catalog is known


def _hide_types(command: Any) -> None:
    """Show no type where it says nothing: of flags, which take no value, and of arguments.

    Typer shows `<bool>` and `<list[Path]>`.
    """
    added = command.get_help_option

    def help_option(context: Any) -> Any:
        return _without_type(added(context))

    command.get_help_option = help_option
    for parameter in command.params:
        if getattr(parameter, "is_flag", parameter.param_type_name == "argument"):
            _without_type(parameter)
    for child in getattr(command, "commands", {}).values():
        _hide_types(child)


def _without_type(parameter: Any) -> Any:
    parameter.display_type_rich = lambda ctx: None
    return parameter


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"musictk {__version__}")
        raise typer.Exit


def _root(
    context: typer.Context,
    catalog: CatalogOption = "",
    json: JsonOption = False,
    quiet: QuietOption = False,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", is_eager=True, callback=_version)
    ] = False,
) -> None:
    """Steerable symbolic music generation on your own files.

    Start with: musictk ingest ./midis; musictk train; musictk sample -o out.mid; musictk export.
    """
    output = Output(json, quiet)
    context.obj = replace(session(context), output=output)
    if os.environ.get("RANK", "0") == "0":  # under torchrun only one process prints
        for name, near in unknown_variables(context.command, os.environ):
            hint = f"did you mean {near}?" if near else "the name is MUSICTK_<COMMAND>_<FLAG>"
            output.warn(f"{name} sets no option; {hint}")


def main(arguments: list[str] | None = None) -> Any:
    """Run the program. An error of the user or of the system ends it with one line."""
    wait_passively()
    _print_anything()
    try:
        try:
            with interruption.signals_end_commands():
                return build_command()(arguments)
        finally:
            _flush()
    except interruption.InterruptionError as error:
        _fail(str(error), error.exit_code, label="")
    except KeyboardInterrupt as error:  # before the command began, or a second time
        _fail("interrupted", interruption.InterruptionError(error).exit_code, label="")
    except MusictkError as error:
        _print_traceback()
        _fail(str(error), error.exit_code)
    except BrokenPipeError:  # the reader of our output closed it
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"system error: {where}{cause(error)}")
    except ImportError as error:
        _blame_plugin(error)
        # With too many open files, imports fail like this.
        _fail(f"cannot import a part of musictk: {cause(error)}; run: musictk doctor")
    except MemoryError:
        _fail("not enough memory; use smaller inputs or settings, or close other programs")
    except Exception as error:
        _blame_plugin(error)
        raise


def _blame_plugin(error: Exception) -> None:
    """End the program with one line if the code of a plugin is in the traceback."""
    from musictk.plugin import registry

    if fault := registry().blame(error):
        hint = "" if _print_traceback() else f"; to print the traceback, set {TRACEBACK}=1"
        _fail(f"{fault}{hint}")


def _print_traceback() -> bool:
    """Print the traceback of the error being handled, where the user wants it."""
    wanted = os.environ.get(TRACEBACK, "") not in ("", "0")
    if wanted:
        with suppress(OSError):  # standard error may be closed
            traceback.print_exc()
    return wanted


def _fail(message: str, code: int = 1, label: str = "error: ") -> NoReturn:
    with suppress(OSError):  # standard error may be closed
        Output().error(message, label)
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
        # The interpreter flushes again when it exits, and would report the same error.
        with suppress(OSError):
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, sys.stdout.fileno())
            os.close(null)
        raise
