"""`musictk config`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import typer

from musictk.cli.context import session
from musictk.cli.settings import FILE, command_options, defaults, variable
from musictk.errors import UnknownNameError


def config(context: typer.Context) -> None:
    """Show the options set by environment variables and musictk.toml.

    Precedence: flag, then MUSICTK_COMMAND_FLAG, then musictk.toml, then the default.
    """
    output = session(context).output
    file = defaults()
    paths = [path for path, _ in command_options(context.find_root().command)]
    rows = [row for path in paths if (row := _origin(path, file))]
    if not rows:
        output.note("all settings have their default values")
    if rows or output.json:
        output.table(rows, ("setting", "value", "from"))


def check_file(context: typer.Context) -> None:
    """Raise UnknownNameError for a key in musictk.toml that is not an option of any command."""
    named = list(_leaves(defaults()))
    if named:
        known = {".".join(path) for path, _ in command_options(context.find_root().command)}
        for path in (path for path in named if path not in known):
            raise UnknownNameError(f"setting in {FILE}", path, known)


def _leaves(table: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    for key, value in table.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield ".".join((*path, key))


def _origin(path: tuple[str, ...], file: dict[str, Any]) -> dict[str, Any] | None:
    name, setting = variable(path), ".".join(path)
    if name in os.environ:
        return {"setting": setting, "value": os.environ[name], "from": name}
    value: Any = file
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    if value is None or isinstance(
        value, dict
    ):  # a table of settings with the same name as an option
        return None
    return {"setting": setting, "value": value, "from": FILE}
