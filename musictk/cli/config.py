"""`musictk config`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import typer

from musictk.cli.context import session
from musictk.cli.settings import FILE, defaults
from musictk.errors import UnknownNameError


def config(context: typer.Context) -> None:
    """Show every setting that is not at its default, and where it came from.

    Precedence: flag, then MUSICTK_COMMAND_OPTION, then musictk.toml, then the default.
    """
    output = session(context).output
    file = defaults()
    known = {name: path for path, name in _options(context.find_root().command)}
    rows = [row for name, path in known.items() if (row := _origin(name, path, file))]
    if not rows:
        output.note("every setting is at its default")
    if rows or output.json:
        output.table(rows, ("setting", "value", "from"))


def check_file(context: typer.Context) -> None:
    """Raises UnknownNameError for what is in the file but is no option of any command."""
    named = list(_leaves(defaults()))
    if named:
        known = {path for path, _ in _options(context.find_root().command)}
        for path in (path for path in named if path not in known):
            raise UnknownNameError(f"setting in {FILE}", path, known)


def _options(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, str]]:
    """(dotted path, environment variable) of every option below `command`."""
    for parameter in command.params:
        if parameter.name and parameter.param_type_name == "option":
            parts = (*path, parameter.name)
            yield ".".join(parts), "_".join(("MUSICTK", *parts)).upper().replace("-", "_")
    for name, child in getattr(command, "commands", {}).items():
        yield from _options(child, (*path, name))


def _leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def _origin(variable: str, path: str, file: dict[str, Any]) -> dict[str, Any] | None:
    if variable in os.environ:
        return {"setting": path, "value": os.environ[variable], "from": variable}
    value: Any = file
    for part in path.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return None if value is None else {"setting": path, "value": value, "from": FILE}
