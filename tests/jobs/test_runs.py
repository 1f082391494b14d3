"""A run's status is true, however the run ended."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musictk.errors import MusictkError, UsageError
from musictk.files import writing
from musictk.jobs.bundles import ModelSource, best_of, open_source
from musictk.jobs.compare import compare
from musictk.jobs.export import export
from musictk.jobs.runs import close_abandoned, status_of
from musictk.model.manifest import Manifest
from musictk.plugin import CORE, Registry
from musictk.training.directory import LOCK, LockedError, is_locked, lock
from musictk.training.outcome import Evaluation, Report
from tests.jobs.conftest import SMALL, Listener, Room

EACH = {"train": {**SMALL["train"], "log_every": 1, "evaluate_every": 2, "checkpoint_every": 2}}
FOUR: dict[str, Any] = {"arch": "gpt", "tokenizer": "events", "steps": 4, "groups": EACH}
TOO_HIGH: dict[str, Any] = {**FOUR, "groups": {"train": {**EACH["train"], "lr": 1e20}}}


class Stopper(Listener):
    """Presses Ctrl-C after each step."""

    def stepped(self, report: Report) -> None:
        signal.raise_signal(signal.SIGINT)


class Full(Listener):
    """Fails after the second evaluation."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error

    def evaluated(self, evaluation: Evaluation) -> None:
        if evaluation.step == 4:
            raise self.error


def statuses(room: Room) -> dict[str, str]:
    return {run.name: run.status for run in room.catalog.runs()}


def test_a_run_that_diverged_is_no_model(room: Room) -> None:
    """The newest good run stays the default."""
    made = room.train(**TOO_HIGH, export=("torchscript",))
    assert (made.outcome.ended, made.exports, made.unexported) == ("diverged", (), None)
    row = room.catalog.run(made.run)
    assert (row.status, row.metrics["why"]) == ("diverged", made.outcome.why)
    assert best_of(room.catalog, room.workspace, None)[0] == "gpt-1"
    with pytest.raises(MusictkError, match="diverged before it had a good checkpoint"):
        next(export(room.catalog, room.workspace, ["onnx"], made.run))
    with pytest.raises(MusictkError, match="diverged before it had a good checkpoint"):
        room.train(start=made.run)
    with pytest.raises(UsageError, match=r"would diverge again; .* --set lr=0.001"):
        room.resume(made.run)
    assert [row.run for row in compare(room.catalog, room.workspace, []).runs] == ["gpt-1"]
    assert statuses(room) == {"gpt-1": "finished", "gpt-2": "diverged"}


def test_the_best_before_a_divergence_can_be_used(room: Room) -> None:
    made = room.train(start="gpt-1", groups={"train": {**EACH["train"], "lr": 1e20}}, steps=4)
    assert made.outcome.diverged
    assert made.outcome.kept_start
    row = room.catalog.checkpoint(made.run)
    assert (row.kind, row.step) == ("best", 0)
    assert row.digest == room.catalog.checkpoint("gpt-1").digest
    assert [each.kind for each in room.catalog.checkpoints(made.run)] == ["best"]
    assert room.train(start=made.run).outcome.ended == "finished"


def test_a_diverged_run_that_an_older_version_finished_is_no_default(room: Room) -> None:
    row = room.catalog.run("gpt-1")
    old = room.catalog.start_run("gpt", row.tokenizer, row.settings, "old")
    room.catalog.add_checkpoint(old.name, "best", 2, "runs/gpt-1/best", "", {})
    room.catalog.finish_run(old.name, "finished", {"best_nll": float("nan")})
    assert best_of(room.catalog, room.workspace, None)[0] == "gpt-1"
    with pytest.raises(MusictkError, match="diverged"):
        best_of(room.catalog, room.workspace, "old")


def full_disk() -> MusictkError:
    with pytest.raises(MusictkError) as caught, writing(Path("x")):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    return caught.value


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (full_disk(), "failed"),
        (ValueError("a fault of ours"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
    ],
)
def test_a_run_that_an_error_ended_is_resumed(
    room: Room, error: BaseException, status: str
) -> None:
    whole = room.train(**FOUR)
    with pytest.raises(type(error)) as caught:
        room.train(Full(error), **FOUR)
    if isinstance(caught.value, MusictkError):
        hint = "free disk space or choose another path, then: musictk train --resume gpt-3"
        assert str(caught.value) == f"cannot write x: No space left on device; {hint}"
    row = room.catalog.run("gpt-3")
    assert (row.status, row.metrics["step"]) == (status, 2)
    assert [each.step for each in room.catalog.checkpoints("gpt-3")] == [2, 2]
    resumed = room.resume("gpt-3")
    assert resumed.outcome.digest == whole.outcome.digest
    assert statuses(room)["gpt-3"] == "finished"


def test_a_killed_run_is_closed_by_the_next(room: Room) -> None:
    """With a checkpoint it is interrupted, without one it has failed; what is alive stays."""
    whole = room.train(**FOUR)
    cut = room.train(Stopper(), **FOUR)
    row = room.catalog.run(cut.run)
    room.catalog.resume_run(cut.run)  # as a kill leaves it
    room.catalog.drop_checkpoints(cut.run)
    for name in ("early", "alive"):
        room.catalog.start_run("gpt", row.tokenizer, row.settings, name)
    part = room.workspace.runs / "early" / "checkpoints" / ".step-0000002.part"
    part.mkdir(parents=True)
    with lock(room.workspace.runs / "alive"):
        seen = {run.name: status_of(room.workspace, run) for run in room.catalog.runs()}
        close_abandoned(room.catalog, room.workspace)
    expected = {"early": "failed", "alive": "running", cut.run: "interrupted"}
    assert {name: seen[name] for name in expected} == expected
    assert {name: statuses(room)[name] for name in expected} == expected
    assert not part.exists()
    assert [each.step for each in room.catalog.checkpoints(cut.run)] == [1]
    assert best_of(room.catalog, room.workspace, None)[0] == whole.run
    assert room.resume(cut.run).outcome.digest == whole.outcome.digest


def test_a_run_whose_directory_cannot_be_locked_does_not_stop_others(room: Room) -> None:
    """As that of another user, which was killed."""
    row = room.catalog.run("gpt-1")
    room.catalog.start_run("gpt", row.tokenizer, row.settings, "theirs")
    (room.workspace.runs / "theirs" / LOCK).mkdir(parents=True)
    assert room.train(**FOUR).outcome.ended == "finished"
    assert statuses(room)["theirs"] == "running"


def test_one_of_two_resumes_is_refused(room: Room) -> None:
    cut = room.train(Stopper(), **FOUR)
    refused = pytest.raises(LockedError, match=f"another process is training '{cut.run}'")
    with lock(room.workspace.runs / cut.run), refused:
        room.resume(cut.run)
    assert statuses(room)[cut.run] == "interrupted"
    assert room.resume(cut.run).outcome.ended == "finished"


def test_a_directory_that_is_in_use_makes_no_run(room: Room) -> None:
    with lock(room.workspace.runs / "gpt-2"), pytest.raises(LockedError):
        room.train(**FOUR)
    assert statuses(room) == {"gpt-1": "finished"}


def test_settings_of_other_versions(room: Room) -> None:
    """A setting that an older version lacks takes its default; one of a newer version is named."""
    whole = room.train(**FOUR)
    cut = room.train(Stopper(), **FOUR)
    trainer = room.workspace.runs / cut.run / "last" / "trainer.json"
    text = trainer.read_text()
    trainer.write_text(text.replace('"keep_checkpoints"', '"moon"'))
    newer = r"a newer musictk began this run \(setting moon\); upgrade musictk, then: .* --resume"
    with pytest.raises(MusictkError, match=newer):
        room.resume(cut.run)
    trainer.write_text(text.replace('    "keep_checkpoints": false,\n', ""))
    assert "keep_checkpoints" not in trainer.read_text()
    assert room.resume(cut.run).outcome.digest == whole.outcome.digest


def test_a_changed_default_does_not_stop_a_run(room: Room) -> None:
    """Settings that the run was not given are stored in its checkpoint alone."""
    cut = room.train(Stopper(), **FOUR)
    trainer = room.workspace.runs / cut.run / "last" / "trainer.json"
    text = trainer.read_text()
    assert '"beta1": 0.9' in text
    trainer.write_text(text.replace('"beta1": 0.9', '"beta1": 0.5'))
    resumed = room.resume(cut.run)
    assert resumed.outcome.ended == "finished"
    assert Manifest.read(resumed.outcome.last).trained["settings"]["beta1"] == 0.5


def test_a_killed_process_leaves_no_lock(room: Room) -> None:
    """Really killed, between two steps; and only one process can resume it."""
    run = room.workspace.runs / "gpt-2"
    words = ["--arch", "gpt", "--tokenizer", "events", "--steps", "100000", "--set", "dim=32"]
    words += ["--set", "depth=1", "--set", "heads=2", "--set", "length=64", "--set", "batch=2"]
    words += ["--set", "checkpoint_every=20", "--set", "evaluate_every=100000"]
    first = _musictk(room, *words)
    _until(first, (run / "last").exists)
    first.kill()
    first.communicate()
    assert statuses(room)["gpt-2"] == "running"
    assert not is_locked(run)
    reached = (run / "last").resolve()
    second = _musictk(room, "--resume", "gpt-2")
    _until(second, lambda: (run / "last").resolve() != reached)
    with pytest.raises(
        LockedError, match="another process is training 'gpt-2'; wait until"
    ) as caught:
        room.resume("gpt-2")
    assert caught.value.exit_code == 1
    assert statuses(room)["gpt-2"] == "running"
    second.send_signal(signal.SIGINT)
    second.communicate()
    assert second.returncode == 130
    assert statuses(room)["gpt-2"] == "interrupted"
    assert not list(run.rglob(".*"))


def _musictk(room: Room, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "musictk", "-q", "train", *words],
        cwd=room.workspace.root,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def _until(process: subprocess.Popen[bytes], there: Callable[[], bool]) -> None:
    """Wait, but only while the process is alive."""
    while not there():
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)


def test_a_plugins_runtime_runs_a_checkpoint_that_has_its_file(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`--run NAME --runtime bigram` needs no export where the run's bundle has the file."""
    found = Registry([CORE, EntryPoint("bigram", "tests.runtime.bigram_plugin", "musictk")])
    monkeypatch.setattr("musictk.runtime.registry", lambda: found)
    source = ModelSource(run="gpt-1", runtime="bigram")
    with pytest.raises(MusictkError, match="no export for bigram; count some music"):
        open_source(room.catalog, room.workspace, source)
    _, directory = best_of(room.catalog, room.workspace, "gpt-1")
    np.save(directory / "model.npy", np.zeros((8, 8), np.float32))
    opened = open_source(room.catalog, room.workspace, source)
    assert (opened.runtime.name, opened.directory) == ("bigram", directory)
