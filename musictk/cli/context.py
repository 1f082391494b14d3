"""The session that every command gets: workspace, catalog and output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from musictk.cli.location import CatalogLocation, Settings
from musictk.cli.output import Output
from musictk.errors import UsageError
from musictk.wording import counted
from musictk.workspace import Workspace

if TYPE_CHECKING:
    from musictk.catalog import Catalog


@dataclass(frozen=True)
class CommandSession:
    """The resolved global options."""

    location: CatalogLocation
    settings: Settings
    output: Output

    @property
    def workspace(self) -> Workspace:
        return self.location.workspace

    @contextmanager
    def catalog(self, create: bool = False, write: bool = False) -> Iterator[Catalog]:
        """Open the catalog for the duration of the command.

        Raises MusictkError if there is none, unless the command may `create` it; and if a command
        will `write` files of the workspace, which is read-only.
        """
        if not create:
            self.location.require()
        from musictk.catalog import Catalog, unreadable

        url, root = self.location.url, self.workspace.root
        with Catalog.open(url, root, create=create, waiting=self._wait) as catalog:
            if create or write:
                catalog.require_writable()
            yield catalog
        if count := unreadable.take():
            self.output.warn(
                f"{counted(count, 'catalog value')} cannot be read and are treated as missing; "
                "run: musictk catalog check"
            )

    def _wait(self) -> None:
        self.output.warn("another musictk process is writing to the catalog; waiting for it to end")

    @contextmanager
    def catalog_if_any(self, write: bool = False) -> Iterator[Catalog | None]:
        """Open the catalog, for a command that also works without one."""
        if not self.location.found:
            yield None
            return
        with self.catalog(write=write) as catalog:
            yield catalog


def rank(context: typer.Context, parameter: str) -> int:
    """The precedence of a value's source: flag 3, variable 2, musictk.toml 1, default 0."""
    source = getattr(context.get_parameter_source(parameter), "name", "")
    return {"COMMANDLINE": 3, "ENVIRONMENT": 2, "DEFAULT_MAP": 1}.get(source, 0)


def require_alone(context: typer.Context, flag: str, hint: str, but: tuple[str, ...]) -> None:
    """Raise UsageError for flags given with `flag`, except those of the parameters `but`."""
    typed = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.expose_value
        and parameter.name not in but
        and rank(context, parameter.name or "") == 3
    ]
    if typed:
        raise UsageError(f"{flag} cannot be combined with {' and '.join(typed)}", hint)


def session(context: typer.Context) -> CommandSession:
    """The session created by the top-level callback."""
    found = context.find_object(CommandSession)
    assert found is not None, "the top-level callback always sets it"
    return found
