"""Train a run for each combination of settings. The same sweep again continues it.

    runs = plan("sweep", {"model.dim": [64, 128], "seed": [0, 1]}, configure)
    results = sweep(catalog, workspace, runs, listener)

`configure` maps the chosen values to a RunConfig (see `musictk.jobs.merge`).
"""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal, Protocol

from musictk.catalog import Catalog
from musictk.catalog.runs import check_run_name
from musictk.config import plain
from musictk.errors import MusictkError, UsageError
from musictk.files import digest
from musictk.jobs.config import RunConfig
from musictk.jobs.manage import remove
from musictk.jobs.prepare import RunListener
from musictk.jobs.runs import status_of
from musictk.jobs.train import RunResult, resume, run
from musictk.training.directory import is_locked, resumable
from musictk.workspace import Workspace

_LONGEST = 80  # characters of a name without a digest
_PLAIN = ("arch", "tokenizer", "size", "preset", "from")  # their values need no name
# "locked": another process is training it. "failed": an error ended it, or it did not start.
Status = Literal["new", "finished", "interrupted", "diverged", "failed", "locked"]


@dataclass(frozen=True)
class SweepRun:
    """One combination: the values chosen for it, and all settings that follow."""

    name: str
    values: Mapping[str, Any]
    config: RunConfig


@dataclass(frozen=True)
class SweepResult:
    """How a run of the sweep ended."""

    run: SweepRun
    status: Status
    why: str = ""  # it diverged or failed
    skipped: bool = False  # an earlier sweep trained it


class SweepListener(RunListener, Protocol):
    """Receives the progress of each run, and of the sweep."""

    def next_run(self, number: int, total: int, run: SweepRun, status: Status) -> None:
        """Before run `number` (from 1) of `total`; `status` is what the catalog has of it."""

    def run_ended(self, result: SweepResult) -> None:
        """After each run, also after one that is skipped."""


def plan(
    name: str,
    choices: Mapping[str, Sequence[Any]],
    configure: Callable[[Mapping[str, Any]], RunConfig],
) -> list[SweepRun]:
    """The runs of a sweep, one for each combination; their names depend on nothing else.

    Raises UsageError for a name that is not valid or not unique, and what `configure` raises.
    """
    varied = [key for key, values in choices.items() if len(values) > 1]
    runs: dict[str, SweepRun] = {}
    for combination in product(*choices.values()):
        values = dict(zip(choices, combination, strict=True))
        run_name = _name(name, {key: values[key] for key in varied})
        check_run_name(run_name)
        if run_name in runs:
            raise UsageError(f"two runs would be called {run_name}", "give each value once")
        config = configure(values)
        runs[run_name] = SweepRun(run_name, values, replace(config, sweep=_digest(config)))
    return list(runs.values())


def status(catalog: Catalog, workspace: Workspace, run: SweepRun) -> Status:
    """What the catalog has of a run; raises UsageError for one with other settings."""
    row = next((row for row in catalog.runs() if row.name == run.name), None)
    if row is None:
        return "new"
    if row.settings.get("sweep") != run.config.sweep:
        raise UsageError(
            f"run {run.name!r} exists already, with other settings",
            "give this sweep another name: --name NAME",
        )
    if is_locked(workspace.runs / run.name):
        return "locked"
    found = status_of(workspace, row)
    if found in ("finished", "diverged"):
        return "finished" if found == "finished" else "diverged"
    return "interrupted" if resumable(workspace.runs / run.name) else "failed"


def sweep(
    catalog: Catalog,
    workspace: Workspace,
    runs: Sequence[SweepRun],
    listener: SweepListener,
    device: str = "auto",
) -> Iterator[SweepResult]:
    """Train `runs` one after the other; yields how each ended.

    Finished and diverged runs are skipped, interrupted ones resumed, failed ones trained again. An
    error ends one run, not the sweep. It ends after a run that is interrupted.
    """
    for each in runs:
        status(catalog, workspace, each)  # raises before anything is trained
    for number, each in enumerate(runs, 1):
        found = status(catalog, workspace, each)
        listener.next_run(number, len(runs), each, found)
        if found in ("finished", "diverged", "locked"):
            result = SweepResult(each, found, skipped=True)
        else:
            result = _train(catalog, workspace, each, found, listener, device)
        listener.run_ended(result)
        yield result
        if result.status == "interrupted":
            return


def _train(
    catalog: Catalog,
    workspace: Workspace,
    each: SweepRun,
    found: Status,
    listener: SweepListener,
    device: str,
) -> SweepResult:
    try:
        if found == "interrupted":
            result = resume(catalog, workspace, each.name, listener, device)
        else:
            if found == "failed":
                remove(catalog, workspace, [each.name], keep_shards=True)
            result = run(catalog, workspace, each.config, listener, device, each.name)
    except MusictkError as error:
        return SweepResult(each, "failed", str(error))
    except (MemoryError, RuntimeError) as error:  # torch's out-of-memory errors are RuntimeErrors
        if not isinstance(error, MemoryError) and "out of memory" not in str(error).lower():
            raise
        return SweepResult(each, "failed", "not enough memory")
    finally:
        _free()
    return _result(each, result)


def _result(each: SweepRun, result: RunResult) -> SweepResult:
    outcome = result.outcome
    if outcome.diverged:
        return SweepResult(each, "diverged", outcome.why)
    if outcome.interrupted:
        return SweepResult(each, "interrupted")
    return SweepResult(each, "finished", str(result.unexported or ""))


def _digest(config: RunConfig) -> str:
    """The same for equal settings, also in later versions, which may have more."""
    defaults = plain(RunConfig())
    values = plain(replace(config, track=()))
    return digest({key: value for key, value in values.items() if value != defaults[key]})


def _free() -> None:
    """Return the memory of the last run."""
    import torch

    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def _name(sweep: str, values: Mapping[str, Any]) -> str:
    """`sweep-gpt-dim64-lr0.001-seed0`."""
    parts = [sweep]
    for key, value in values.items():
        text = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(value).replace("e+", "e")).strip("_")
        parts.append(text if key in _PLAIN else key.rpartition(".")[2] + text)
    name = "-".join(parts)
    if len(name) <= _LONGEST:
        return name
    return f"{name[:_LONGEST]}-{digest(list(values.items()))[:8]}"
