"""Keep the locations of files up to date when music or the workspace has moved."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from functools import cache
from pathlib import Path

from musictk.catalog import Catalog, KnownLocation, load_path, store_path
from musictk.workspace import Workspace

Locations = Mapping[tuple[str, str], KnownLocation]


def current_locations(catalog: Catalog, workspace: Workspace) -> Locations:
    """Every known location, by (path, member), with paths as the workspace stores them now.

    Older versions stored paths outside the workspace relative to it (`../music/a.mid`). They become
    absolute, except those that no longer exist: the workspace may have moved.
    """
    known = catalog.known_locations()
    outside = {path for path, _ in known if path == ".." or path.startswith("../")}
    moves = {
        path: store_path(workspace.relative(place))
        for path in outside
        if (place := workspace.resolve(load_path(path))).exists()
    }
    if not moves:
        return known
    catalog.move_locations(moves)
    return catalog.known_locations()


def dead_copies(
    catalog: Catalog, workspace: Workspace, before: Locations, found: Collection[str]
) -> list[tuple[str, str]]:
    """The locations that no longer exist of the files that are also in the paths `found`.

    They are what remains of a file that was moved, or of a folder that was renamed. `before` has
    the locations that were known when the ingest began.
    """
    elsewhere = [key for key in before if key[0] not in found]
    if not elsewhere:
        return []
    known = catalog.known_locations()
    again = {at.file_id for (path, _), at in known.items() if path in found} - {None}
    gone = cache(lambda path: is_gone(workspace.resolve(load_path(path))))
    dead = [key for key in elsewhere if before[key].file_id in again and gone(key[0])]
    paths = {path for path, _ in dead}
    archives = [key for key in elsewhere if before[key].file_id is None and key[0] in paths]
    return dead + archives


def is_gone(path: Path) -> bool:
    """Whether nothing is at `path`; False if that cannot be known, as in a closed folder."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False
    return False


def beginning(folder: str | Path) -> str:
    """The beginning of the absolute paths of everything in a folder."""
    return os.path.normpath(folder).rstrip(os.sep) + os.sep
