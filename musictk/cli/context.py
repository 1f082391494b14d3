"""What every command is given: where to work, how to print."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer

from musictk.cli.output import Output
from musictk.workspace import Workspace

if TYPE_CHECKING:
    from musictk.catalog import Catalog


@dataclass(frozen=True)
class Session:
    """The global flags, resolved."""

    workspace: Workspace
    url: str
    output: Output

    @contextmanager
    def catalog(self) -> Iterator[Catalog]:
        """The catalog, opened (made, where there is none yet) for the time of the command."""
        from musictk.catalog import Catalog

        with Catalog.open(self.url, self.workspace.root) as catalog:
            yield catalog


def session(context: typer.Context) -> Session:
    """The session that the top-level callback made."""
    found = context.find_object(Session)
    assert found is not None, "the top-level callback always sets it"
    return found
