"""Paths as users type them, relative to the current directory, and as the catalog stores them."""

from __future__ import annotations

import shlex
from contextlib import suppress
from pathlib import Path

from sqlalchemy.orm import Session

from musictk.catalog.names import store_path
from musictk.workspace import Workspace


def typed(path: Path) -> str:
    """A path for a command line: relative if it is below the current directory."""
    place, here = path.absolute(), Path.cwd()
    return shlex.quote(str(place.relative_to(here) if place.is_relative_to(here) else place))


def typed_place(path: str, member: str) -> str:
    """A location as it is typed: a path, or ARCHIVE/MEMBER."""
    return f"{path}/{member}" if member else path


def stored_paths(session: Session, key: str) -> list[str]:
    """How the catalog stores the path of a file that the user typed; none if there is no file."""
    root: Path | None = session.info.get("root")
    with suppress(OSError, ValueError):  # a name that no file can have
        if root is not None and Path(key).is_file():
            return [store_path(Workspace(root).relative(Path(key)))]
    return []
