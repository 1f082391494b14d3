"""Runs and their results: checkpoints, exports, samples."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from itertools import count
from math import isfinite
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from musictk.builtin import MODELS
from musictk.catalog.database import Database
from musictk.catalog.models import Checkpoint, Export, Run, Sample, now
from musictk.errors import MusictkError, UnknownNameError, UsageError

RUN_STATUSES = ("running", "finished", "interrupted", "diverged", "failed")
_LONGEST = 100  # characters of a name: the folders of exports are longer
_NAME = re.compile(rf"[A-Za-z0-9][A-Za-z0-9_.-]{{0,{_LONGEST - 1}}}")
# What `--resume newest` means, the built-in models, and the devices of Windows.
_RESERVED = {"newest", *MODELS, "con", "prn", "aux", "nul"}
_RESERVED |= {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}
NO_RUNS = "train one with: musictk train"


class Runs(Database):
    """Runs, checkpoints, exports and samples. Returned rows are detached and read-only."""

    def start_run(
        self,
        architecture: str,
        tokenizer: str,
        settings: Mapping[str, Any],
        name: str | None = None,
        claim: Callable[[str], None] | None = None,
    ) -> Run:
        """Add a run with status `running` and the directory `runs/<name>`, which is not created.

        `tokenizer` is a fingerprint. The default name is `<architecture>-<number>`. `claim` is
        called with the name before any other process can see the run; if it raises, no run is
        added. Raises UsageError for a name that is taken or is not valid.
        """
        with self.writing() as session:
            taken = set(session.scalars(select(Run.name)))
            chosen = name or _next_name(architecture, taken)
            check_run_name(chosen, taken)
            if claim is not None:
                claim(chosen)
            run = Run(
                name=chosen,
                architecture=architecture,
                tokenizer=tokenizer,
                settings=dict(settings),
                status="running",
                directory=f"runs/{chosen}",
                metrics={},
            )
            session.add(run)
        return run

    def finish_run(
        self,
        name: str,
        status: str = "finished",
        metrics: Mapping[str, Any] | None = None,
        train: Mapping[str, Any] | None = None,
    ) -> Run:
        """Set the final status of a run, one of `RUN_STATUSES`, and add to its metrics.

        `train` are training settings that changed during the run.
        """
        with self.writing() as session:
            run = find_run(session, name)
            run.status, run.ended_at = status, now()
            run.metrics = run.metrics | dict(metrics or {})
            if train:
                changed = {**run.settings.get("train", {}), **train}
                run.settings = {**run.settings, "train": changed}
        return run

    def resume_run(self, name: str) -> Run:
        """Set a run `running` again."""
        with self.writing() as session:
            run = find_run(session, name)
            run.status, run.ended_at = "running", None
        return run

    def run(self, name: str) -> Run:
        """The run called `name`; raises UnknownNameError with the nearest name."""
        with self.reading() as session:
            return find_run(session, name)

    def runs(self, status: str | None = None) -> list[Run]:
        """All runs, or those of one status, oldest first."""
        query = select(Run).order_by(Run.id)
        if status is not None:
            query = query.where(Run.status == status)
        with self.reading() as session:
            return list(session.scalars(query))

    def newest_run(self, status: str | None = "finished") -> Run | None:
        """The newest run of a status, or of any status for None; None where there is no such run.

        Older versions closed diverged runs as finished: those are skipped.
        """
        found = [run for run in self.runs(status) if status is None or not has_diverged(run)]
        return found[-1] if found else None

    def add_checkpoint(
        self, run: str, kind: str, step: int, path: str, digest: str, metrics: Mapping[str, Any]
    ) -> Checkpoint:
        """Record the run's `best` or `last` bundle; replaces the previous one."""
        with self.writing() as session:
            owner = find_run(session, run)
            found = session.scalar(
                select(Checkpoint).where(Checkpoint.run_id == owner.id, Checkpoint.kind == kind)
            )
            checkpoint = found or Checkpoint(run_id=owner.id, kind=kind)
            checkpoint.step, checkpoint.path, checkpoint.digest = step, path, digest
            checkpoint.metrics, checkpoint.saved_at = dict(metrics), now()
            session.add(checkpoint)
        return checkpoint

    def checkpoints(self, run: str) -> list[Checkpoint]:
        """The run's checkpoints, the best one first."""
        with self.reading() as session:
            query = select(Checkpoint).where(Checkpoint.run_id == find_run(session, run).id)
            return list(session.scalars(query.order_by(Checkpoint.kind)))

    def checkpoint(self, run: str) -> Checkpoint:
        """The run's best checkpoint, else its last; raises MusictkError where it has none.

        For a diverged run it is the best before divergence.
        """
        found, row = self.checkpoints(run), self.run(run)
        if has_diverged(row) and (not found or not _number(row.metrics.get("best_nll"))):
            why = f": {row.metrics['why']}" if row.metrics.get("why") else ""
            raise MusictkError(
                f"run {run!r} diverged before it had a good checkpoint{why}",
                "train another with a lower lr, or name another run",
            )
        if not found:
            hint = f"resume it: musictk train --resume {run}"
            raise MusictkError(f"run {run!r} has not ended: it has no checkpoint to use", hint)
        return found[0]

    def drop_checkpoints(self, run: str) -> None:
        """Delete the run's checkpoint rows; their files stay."""
        with self.writing() as session:
            owner = find_run(session, run)
            session.execute(delete(Checkpoint).where(Checkpoint.run_id == owner.id))

    def add_export(self, run: str, kind: str, path: str, report: Mapping[str, Any]) -> Export:
        """Record a bundle written for another runtime."""
        with self.writing() as session:
            owner = find_run(session, run)
            export = Export(run_id=owner.id, kind=kind, path=path, report=dict(report))
            session.add(export)
        return export

    def exports(self, run: str | None = None) -> list[Export]:
        """All exports, or those of one run, oldest first."""
        query = select(Export).order_by(Export.id)
        with self.reading() as session:
            if run is not None:
                query = query.where(Export.run_id == find_run(session, run).id)
            return list(session.scalars(query))

    def add_sample(
        self,
        path: str,
        sha256: str,
        bundle: str,
        seed: int,
        request: Mapping[str, Any],
        run: str | None = None,
    ) -> Sample:
        """Record a generated file; `request` is everything needed to generate it again."""
        with self.writing() as session:
            owner = find_run(session, run).id if run is not None else None
            sample = Sample(
                path=path,
                sha256=sha256,
                bundle=bundle,
                seed=seed,
                request=dict(request),
                run_id=owner,
            )
            session.add(sample)
        return sample

    def sample(self, sample_id: int) -> Sample:
        """The sample with that id; raises UnknownNameError where there is none."""
        with self.reading() as session:
            found = session.get(Sample, sample_id)
            if found is None:
                raise UnknownNameError(
                    "sample",
                    str(sample_id),
                    map(
                        str, session.scalars(select(Sample.id).order_by(Sample.id.desc()).limit(12))
                    ),
                )
            return found

    def sample_of(self, sha256: str, before: int | None = None) -> Sample | None:
        """The newest sample whose file has this digest, of those with an id below `before`."""
        query = select(Sample).where(Sample.sha256 == sha256).order_by(Sample.id.desc())
        if before is not None:
            query = query.where(Sample.id < before)
        with self.reading() as session:
            return session.scalars(query.limit(1)).first()

    def samples(self, run: str | None = None) -> list[Sample]:
        """All samples, or those of one run, oldest first."""
        query = select(Sample).order_by(Sample.id)
        with self.reading() as session:
            if run is not None:
                query = query.where(Sample.run_id == find_run(session, run).id)
            return list(session.scalars(query))


def check_run_name(name: str, taken: Collection[str] = ()) -> None:
    """Raise UsageError unless `name` is free and can name a folder on every system."""
    if not _NAME.fullmatch(name) or name.endswith(".") or name.casefold() in _RESERVED:
        valid = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-_.")[:_LONGEST]
        proposal = f", such as {valid}" if valid and valid.casefold() not in _RESERVED else ""
        raise UsageError(
            f"{name!r} cannot name a run",
            f"use letters, digits, '-', '_' and '.'{proposal}",
        )
    folded = {each.casefold() for each in taken}  # some file systems ignore case
    if name.casefold() in folded:
        stem, _, tail = name.rpartition("-")
        stem = stem if stem and tail.isdecimal() else name
        number = next(n for n in count(2) if f"{stem}-{n}".casefold() not in folded)
        raise UsageError(
            f"a run {name!r} exists already", f"choose another name, such as {stem}-{number}"
        )


def has_diverged(run: Run) -> bool:
    """Whether the run's weights or its validation loss became non-finite."""
    score = run.metrics.get("best_nll")
    return run.status == "diverged" or (score is not None and not _number(score))


def _number(score: Any) -> bool:
    return isinstance(score, int | float) and isfinite(score)


def find_run(session: Session, name: str) -> Run:
    run = session.scalar(select(Run).where(Run.name == name))
    if run is None:
        if name in MODELS:
            raise UsageError(f"{name} is no run of this catalog", "name a run")
        known = list(session.scalars(select(Run.name)))
        raise UnknownNameError("run", name, known, "" if known else NO_RUNS)
    return run


def _next_name(architecture: str, taken: set[str]) -> str:
    numbers = [
        int(tail)
        for head, _, tail in (name.rpartition("-") for name in taken)
        if head == architecture and tail.isdecimal()
    ]
    return f"{architecture}-{max(numbers, default=0) + 1}"
