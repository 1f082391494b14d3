"""Rename, annotate and remove runs, with their folders. Free of torch.

A process may be killed at any moment. `finish_changes` then completes or undoes the change:

- A renamed run is first reachable under both names (links), then the catalog is changed, then the
  folders are moved. Until then the run's `directory` is the old one.
- The folders of a run that is removed are first hidden (`.NAME.removed`), then its rows are
  deleted, then the folders. A hidden folder whose row still exists is restored.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from musictk.catalog import Catalog, Run
from musictk.catalog.runs import check_run_name
from musictk.errors import MusictkError, UsageError
from musictk.files import writing
from musictk.training.directory import is_locked
from musictk.workspace import Workspace

_HIDDEN = ".removed"
_LINK = f"{os.sep}{os.curdir}"  # the end of the target of links that `rename` makes, and no others


@dataclass(frozen=True)
class Removal:
    """What the removal of a run deletes."""

    run: str
    paths: tuple[Path, ...]  # folders and files that exist
    bytes: int
    samples: int  # files generated with it, which stay


def annotate(catalog: Catalog, name: str, note: str) -> Run:
    """Set the note of a run; an empty text removes it."""
    return catalog.set_run_note(name, note.strip() or None)


def rename(catalog: Catalog, workspace: Workspace, name: str, new: str) -> Run:
    """Rename a run, its folder and those of its exports, and all references to it.

    Raises UsageError for a run that is training, and for a name that is taken or is not valid.
    """
    finish_changes(catalog, workspace)
    run = catalog.run(name)
    if name == new:
        return run
    check_run_name(new, [each.name for each in catalog.runs() if each.name != name])
    _require_stopped(workspace, [name])
    moves = _moves(catalog, workspace, run, name, new)
    for target in moves.values():
        if target.exists():
            path = workspace.relative(target)
            raise UsageError(f"{path} exists already", "remove it, or choose another name")
    links = {link: old for old, link in moves.items() if old.is_dir()}
    stored = {workspace.relative(old): workspace.relative(at) for old, at in moves.items()}
    try:
        for link, old in links.items():
            with writing(link):
                link.symlink_to(old.name + _LINK, target_is_directory=True)
        catalog.rename_run(name, new, stored)
    except BaseException:
        for link in links:
            if link.is_symlink():
                link.unlink()
        raise
    finish_changes(catalog, workspace)
    return catalog.run(new)


def removals(catalog: Catalog, workspace: Workspace, names: Sequence[str]) -> list[Removal]:
    """What the removal of these runs would delete; checks that they can be removed.

    Raises UsageError for a run that is training, or from which another run was fine-tuned that is
    not among `names`, and MusictkError for a folder outside runs/.
    """
    finish_changes(catalog, workspace)
    names = list(dict.fromkeys(names))
    rows = [catalog.run(name) for name in names]
    _require_stopped(workspace, names)
    for run in catalog.runs():
        start = run.settings.get("start")
        if start in names and run.name not in names:
            raise UsageError(
                f"run {run.name!r} was fine-tuned from {start!r} and needs it",
                f"remove both: musictk runs rm {start} {run.name}",
            )
    # A run that was fine-tuned from another one is newer: it is removed before that one.
    return [_removal(catalog, workspace, row) for row in sorted(rows, key=lambda row: -row.id)]


def remove(
    catalog: Catalog, workspace: Workspace, names: Sequence[str], keep_shards: bool = False
) -> list[Removal]:
    """Remove runs: their rows, folders and exports, and the shards that no other run uses.

    Generated files stay. Raises as `removals` does, before anything is removed.
    """
    found = removals(catalog, workspace, names)
    for removal in found:
        _remove(catalog, workspace, removal.run, keep_shards)
        finish_changes(catalog, workspace)
    return found


def _remove(catalog: Catalog, workspace: Workspace, name: str, keep_shards: bool) -> None:
    """Hide the files of a run and delete its rows; on an error, neither."""
    folders = _folders(catalog, workspace, name)
    hidden: list[Path] = []

    def hide(shards: list[str]) -> None:
        for path in (*folders, *_shard_files(workspace, shards)):
            if path.exists():
                with writing(path):
                    path.rename(_hidden(path))
                hidden.append(path)

    try:
        catalog.remove_run(name, hide, keep_shards)
    except BaseException:
        for path in hidden:
            _hidden(path).rename(path)
        raise


def finish_changes(catalog: Catalog, workspace: Workspace) -> None:
    """Complete or undo what `rename` and `remove` did before their process was killed."""
    for run in catalog.runs():
        old = Path(run.directory).name
        if old != run.name and run.directory.startswith("runs/"):
            for source, target in _moves(catalog, workspace, run, old, run.name).items():
                _replace_link(target, source)
            catalog.set_run_directory(run.name, f"runs/{run.name}")
    for link in (*workspace.runs.glob("*"), *workspace.exports.glob("*")):
        if link.is_symlink() and os.readlink(link).endswith(_LINK):  # noqa: PTH115 (Path drops it)
            link.unlink(missing_ok=True)  # the catalog was not changed
    hidden = [
        path
        for folder in (workspace.runs, workspace.exports, workspace.shards)
        for path in folder.glob(f".*{_HIDDEN}")
    ]
    if hidden:
        catalog.wait_for_writers()  # one of them may be removing these folders
        known = {run.directory for run in catalog.runs()}
        known |= {export.path for export in catalog.exports()}
        known |= {shard.path for shard in catalog.shards()}
        for path in hidden:
            _restore_or_delete(workspace, path, known)


def _replace_link(link: Path, folder: Path) -> None:
    """Move `folder` to the place of the link to it."""
    with writing(link):
        if link.is_symlink():
            link.unlink()
        if folder.is_dir() and not link.exists():
            folder.rename(link)


def _restore_or_delete(workspace: Workspace, path: Path, known: Collection[str]) -> None:
    """Restore a hidden folder or file if the catalog still has its path, else delete it.

    The tables beside a shard are not in the catalog: training makes them again.
    """
    shown = path.with_name(path.name[1:].removesuffix(_HIDDEN))
    if workspace.relative(shown) in known and not shown.exists():
        with writing(shown):
            path.rename(shown)
    elif path.is_dir():
        shutil.rmtree(path, ignore_errors=True)  # the next change tries again
    else:
        path.unlink(missing_ok=True)


def _require_stopped(workspace: Workspace, names: Iterable[str]) -> None:
    for name in names:
        if is_locked(workspace.runs / name):
            hint = "stop it first: press Ctrl-C where it runs"
            raise UsageError(f"run {name!r} is training now", hint)


def _moves(
    catalog: Catalog, workspace: Workspace, run: Run, old: str, new: str
) -> dict[Path, Path]:
    """Old and new path of the folder of a run, and of each of its exports."""
    moves = {workspace.runs / old: workspace.runs / new}
    for row in catalog.exports(run.name):
        moves[workspace.exports / f"{old}-{row.kind}"] = workspace.exports / f"{new}-{row.kind}"
    return moves


def _folders(catalog: Catalog, workspace: Workspace, name: str) -> list[Path]:
    """The folders of a run and of its exports; raises MusictkError for one that is elsewhere."""
    exports = [workspace.resolve(row.path) for row in catalog.exports(name)]
    folders = list(dict.fromkeys([workspace.runs / name, *exports]))
    for folder in folders:
        inside = folder.parent.resolve() in (workspace.runs.resolve(), workspace.exports.resolve())
        if folder.is_symlink() or not inside or folder.name in ("", ".", ".."):
            raise MusictkError(
                f"{folder} is not a folder of runs/ or exports/", "remove the run's files yourself"
            )
    return folders


def _removal(catalog: Catalog, workspace: Workspace, run: Run) -> Removal:
    shards = _shard_files(workspace, catalog.own_shards(run.name))
    paths = [*_folders(catalog, workspace, run.name), *shards]
    paths = [path for path in paths if path.exists()]
    return Removal(
        run=run.name,
        paths=tuple(paths),
        bytes=sum(map(_size, paths)),
        samples=len(catalog.samples(run.name)),
    )


def _shard_files(workspace: Workspace, shards: Iterable[str]) -> list[Path]:
    """Shards, and the tables of bars and of parts that are kept beside each."""
    paths = map(workspace.resolve, shards)
    return [each for path in paths for each in sorted(path.parent.glob(f"{path.stem}.*"))]


def _hidden(path: Path) -> Path:
    return path.with_name(f".{path.name}{_HIDDEN}")


def _size(path: Path) -> int:
    """Bytes of a file, or of all files in a folder; links are not followed."""
    if not path.is_dir():
        return path.stat().st_size
    return sum(each.lstat().st_size for each in path.rglob("*") if not each.is_dir())
