"""Keep the locations of files up to date when music or the workspace has moved."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path

from musictk.catalog import Catalog, KnownLocation, load_path, store_path
from musictk.workspace import Workspace

Locations = Mapping[tuple[str, str], KnownLocation]


def current_locations(catalog: Catalog, workspace: Workspace, paths: Sequence[Path]) -> Locations:
    """The known locations at and under `paths`, by (path, member), as the workspace stores them.

    Older versions stored paths outside the workspace relative to it (`../music/a.mid`). They become
    absolute, except those that no longer exist: the workspace may have moved.
    """
    outside = {path for path, _ in catalog.known_locations([".."], [".."])}
    moves = {
        path: store_path(workspace.relative(place))
        for path in outside
        if (place := workspace.resolve(load_path(path))).exists()
    }
    if moves:
        catalog.move_locations(moves)
    return catalog.known_locations(*_stored(workspace, paths))


def _stored(workspace: Workspace, paths: Sequence[Path]) -> tuple[list[str], list[str]]:
    """The folders and the paths that `paths` are in the catalog; "" is every folder."""
    stored = [store_path(workspace.relative(path)) for path in paths]
    root = workspace.root.absolute()
    above = [root.is_relative_to(os.path.normpath(path.absolute())) for path in paths]
    return ["" if inside else path for path, inside in zip(stored, above, strict=True)], stored


def dead_copies(
    catalog: Catalog, workspace: Workspace, found: Collection[str]
) -> list[tuple[str, str]]:
    """The locations that no longer exist of the files that are also in the paths `found`.

    They are what remains of a file that was moved, or of a folder that was renamed.
    """
    again = {at.file_id for at in catalog.known_locations((), found).values()} - {None}
    gone = cache(lambda path: is_gone(workspace.resolve(load_path(path))))
    other = catalog.locations_of([file_id for file_id in again if file_id is not None])
    dead = [key for key in other if key[0] not in found and gone(key[0])]
    paths = {path for path, _ in dead}
    rest = catalog.known_locations((), paths)
    return dead + [key for key, place in rest.items() if place.file_id is None]


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
