"""`musictk plugins`."""

from __future__ import annotations

import typer

from musictk.cli.context import session
from musictk.plugin import registry


def plugins(context: typer.Context) -> None:
    """List the components and commands of all plugins, and the plugins that failed to load."""
    output = session(context).output
    found = registry()
    rows = [
        {"kind": o.kind, "name": o.name, "origin": o.origin, "summary": o.summary}
        for o in found.offers()
    ]
    rows += [
        {"kind": "command", "name": name, "origin": origin, "summary": _help(context, name)}
        for name, origin in found.commands
    ]
    failures = [{"origin": f.origin, "reason": f.reason} for f in found.failures]
    if output.json:
        output.result({"offers": rows, "failures": failures})
        return
    output.table(rows)
    for failure in failures:
        output.warn(f"plugin {failure['origin']} failed to load: {failure['reason']}")


def _help(context: typer.Context, name: str) -> str:
    """The first sentence of a command's help."""
    command = getattr(context.find_root().command, "commands", {}).get(name)
    return str(command.get_short_help_str(limit=100)) if command else ""
