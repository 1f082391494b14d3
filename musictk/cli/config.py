"""`musictk config`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import typer

from musictk.cli.context import session
from musictk.cli.location import Settings
from musictk.cli.settings import command_options, variable


def config(context: typer.Context) -> None:
    """Show the options set by environment variables and musictk.toml.

    Precedence: flag, then MUSICTK_COMMAND_FLAG, then musictk.toml, then the default.
    """
    here = session(context)
    output = here.output
    paths = [path for path, _ in command_options(context.find_root().command)]
    rows = [row for path in paths if (row := _origin(path, here.settings))]
    if not rows:
        output.note("all settings have their default values")
    if rows or output.json:
        output.table(rows, ("setting", "value", "from"))


def _origin(path: tuple[str, ...], file: Settings) -> dict[str, Any] | None:
    name, setting = variable(path), ".".join(path)
    if name in os.environ:
        return {"setting": setting, "value": os.environ[name], "from": name}
    value: Any = file.tables
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None or isinstance(
        value, Mapping
    ):  # a table of settings with the same name as an option
        return None
    return {"setting": setting, "value": value, "from": file.name}
