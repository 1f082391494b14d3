"""Rename, annotate and remove runs. The folders are moved by `musictk.jobs.manage`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from musictk.catalog.database import Database
from musictk.catalog.models import Checkpoint, Export, Run, Sample, ShardRow, SpanRow
from musictk.catalog.runs import check_run_name, find_run


class RunChanges(Database):
    """Changes of the rows of a run and of all rows that refer to it, each in one transaction."""

    def set_run_note(self, name: str, note: str | None) -> Run:
        """Replace the user's note about a run; None removes it."""
        with self.writing() as session:
            run = find_run(session, name)
            run.note = note
        return run

    def rename_run(self, name: str, new: str, moves: Mapping[str, str]) -> Run:
        """Rename a run wherever the catalog names it; its `directory` stays the old one.

        `moves` maps stored paths of the run's folders (`runs/old`, `exports/old-onnx`) to the new
        ones. Once they are moved, `set_run_directory` completes the change. Raises UsageError for
        a name that is taken or is not valid.
        """
        with self.writing() as session:
            run = find_run(session, name)
            taken = set(session.scalars(select(Run.name))) - {name}
            check_run_name(new, taken)
            run.name = new
            for row in session.scalars(select(Checkpoint).where(Checkpoint.run_id == run.id)):
                row.path = _moved(row.path, moves)
            for export in session.scalars(select(Export).where(Export.run_id == run.id)):
                export.path = _moved(export.path, moves)
            for other in session.scalars(select(Run)):
                if other.settings.get("start") == name:
                    other.settings = other.settings | {"start": new}
            for sample in session.scalars(select(Sample)):
                sample.request = _renamed(sample.request, name, new, moves)
        return run

    def set_run_directory(self, name: str, directory: str) -> None:
        """Record that the folders of a renamed run are moved."""
        with self.writing() as session:
            find_run(session, name).directory = directory

    def remove_run(
        self, name: str, last: Callable[[list[str]], None], keep_shards: bool = False
    ) -> Run:
        """Delete a run's row, its checkpoints and exports, and the shards that only it uses.

        Samples stay, without a run. `last` is called with the paths of the deleted shards before
        the change becomes visible; if it raises, nothing is deleted.
        """
        with self.writing() as session:
            run = find_run(session, name)
            paths = [] if keep_shards else _own_shards(session, run)
            session.execute(update(Sample).where(Sample.run_id == run.id).values(run_id=None))
            for table in (Checkpoint, Export):
                session.execute(delete(table).where(table.run_id == run.id))
            for shard in session.scalars(select(ShardRow).where(ShardRow.path.in_(paths))).all():
                session.execute(delete(SpanRow).where(SpanRow.shard_id == shard.id))
                session.delete(shard)
            session.delete(run)
            session.flush()
            last(paths)
        return run

    def wait_for_writers(self) -> None:
        """Return when no other process is writing the catalog."""
        with self.writing() as session:
            session.execute(select(1))

    def own_shards(self, name: str) -> list[str]:
        """The paths of the shards that no other run was trained on."""
        with self.reading() as session:
            return _own_shards(session, find_run(session, name))


def _own_shards(session: Session, run: Run) -> list[str]:
    own = _shards(run)
    for other in session.scalars(select(Run).where(Run.id != run.id)):
        own -= _shards(other)
    return sorted(own)


def _shards(run: Run) -> set[str]:
    shards = run.settings.get("shards")
    return set(shards.values()) if isinstance(shards, dict) else set()


def _moved(path: str, moves: Mapping[str, str]) -> str:
    """The path after the folders of `moves` are renamed."""
    for old, new in moves.items():
        if path == old or path.startswith(f"{old}/"):
            return new + path.removeprefix(old)
    return path


def _renamed(
    request: dict[str, Any], name: str, new: str, moves: Mapping[str, str]
) -> dict[str, Any]:
    """A sample's request that names its run, or a bundle in one of the run's folders."""
    source = request.get("source")
    if not isinstance(source, dict):
        return request
    changed = dict(source)
    if source.get("run") == name:
        changed["run"] = new
    if isinstance(source.get("bundle"), str):
        changed["bundle"] = _moved(source["bundle"], moves)
    return request if changed == source else request | {"source": changed}
