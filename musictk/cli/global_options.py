"""The options that every command has: `--catalog`, `--json` and `--quiet`.

They belong to the program, and may be given before the name of the command or after it. A command
that has an option of the same name keeps its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from typing import Annotated, Any

import typer

from musictk.cli.context import CommandSession
from musictk.cli.location import CatalogLocation, Settings, locate
from musictk.cli.output import Output
from musictk.cli.settings import command_options, set_defaults
from musictk.errors import UnknownNameError

PANEL = "Global options"
Change = Callable[[CommandSession, typer.Context, Any], CommandSession]


def use_catalog(context: typer.Context, value: str) -> str:
    """Find the catalog of the program, before its settings are needed; the root's callback."""
    if not context.resilient_parsing:
        context.obj = CommandSession(*_place(context, value), Output())
    return value


CatalogOption = Annotated[
    str,
    typer.Option(
        metavar="PATH",
        help="Catalog to use: a file, its folder, or a database URL.",
        show_default="catalog.db in this directory or above",
        is_eager=True,
        callback=use_catalog,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print results as JSON.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="Hide progress and notes.")]


def add_to_commands(program: Any) -> None:
    """Let the global options of the program be given after the name of any command."""
    actions: dict[str, Change] = {
        "catalog": _catalog_after,
        "json": _json_after,
        "quiet": _quiet_after,
    }
    given = [option for option in program.params if option.name in actions]
    for command in _below(program):
        taken = {name for option in command.params for name in _names(option)}
        command.params += [
            _after(option, actions[option.name]) for option in given if not taken & _names(option)
        ]


def _below(command: Any) -> Iterator[Any]:
    for child in getattr(command, "commands", {}).values():
        yield child
        yield from _below(child)


def _names(option: Any) -> set[str]:
    return {*option.opts, *option.secondary_opts}


def _after(option: Any, action: Change) -> Any:
    """A copy of a global option for a command: its value changes the session alone."""

    def change(context: typer.Context, parameter: Any, value: Any) -> Any:
        if value and isinstance(context.obj, CommandSession):
            context.obj = action(context.obj, context, value)
        return value

    made = copy(option)
    made.expose_value, made.envvar, made.callback = False, None, change
    made.rich_help_panel = PANEL
    return made


def _catalog_after(session: CommandSession, context: typer.Context, value: str) -> CommandSession:
    location, settings = _place(context, value)
    context.default_map = context.command.context_settings["default_map"]
    return replace(session, location=location, settings=settings)


def _json_after(session: CommandSession, context: typer.Context, value: bool) -> CommandSession:
    return replace(session, output=Output(value, session.output.quiet))


def _quiet_after(session: CommandSession, context: typer.Context, value: bool) -> CommandSession:
    return replace(session, output=Output(session.output.json, value))


def _place(context: typer.Context, named: str) -> tuple[CatalogLocation, Settings]:
    """The catalog and the settings; the settings become the defaults of every command."""
    location, settings = locate(named)
    program = context.find_root()
    _check(settings, program.command)
    set_defaults(program.command, settings.tables)
    program.default_map = dict(program.command.context_settings["default_map"])
    return location, settings


def _check(settings: Settings, program: Any) -> None:
    """Raise UnknownNameError for a key in musictk.toml that is not an option of any command."""
    named = list(_leaves(settings.tables))
    if named:
        known = {".".join(path) for path, _ in command_options(program)}
        for path in (path for path in named if path not in known):
            raise UnknownNameError(f"setting in {settings.name}", path, known)


def _leaves(table: Any, path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))
