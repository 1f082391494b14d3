"""A run with a damaged checkpoint: one line of error, and other runs are not affected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.cli.shell import Shell
from tests.cli.test_train_ends import GPT


@pytest.fixture
def interrupted(shell: Shell, capsys: pytest.CaptureFixture[str]) -> Shell:
    """`gpt-1` has a checkpoint and may be resumed."""
    assert shell.here(capsys, "train", *GPT, "--steps", "2")[0] == 0
    with sqlite3.connect(shell.directory / "catalog.db") as catalog:
        catalog.execute("UPDATE runs SET status = 'running' WHERE name = 'gpt-1'")
    return shell


def edit(path: Path, change: Callable[[Any], None]) -> None:
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))


def refused(shell: Shell, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which `--resume` ends."""
    code, _, said = shell.here(capsys, "train", "--resume", "gpt-1")
    error = said.splitlines()[-1]
    assert (code, error[:7], said.count("error: ")) == (1, "error: ", 1)
    assert "Traceback" not in said
    assert "--resume" not in error  # it would end alike
    return error


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("positions", "a"), ("step", "x"), ("step", -5), ("step", None), ("by_position", 3)),
        *(("best_nll", "low"), ("seconds", float("inf"))),
    ],
)
def test_progress_that_cannot_be(
    interrupted: Shell, capsys: pytest.CaptureFixture[str], key: str, value: object
) -> None:
    trainer = interrupted.directory / "runs" / "gpt-1" / "last" / "trainer.json"
    edit(trainer, lambda found: found["progress"].update({key: value}))
    assert "damaged" in refused(interrupted, capsys)


def test_another_run_trains_beside_a_damaged_one(
    interrupted: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    trainer = interrupted.directory / "runs" / "gpt-1" / "last" / "trainer.json"
    edit(trainer, lambda found: found["progress"].update(positions="a"))
    code, _, said = interrupted.here(capsys, "train", *GPT, "--steps", "2")
    assert code == 0, said
    _, out, _ = interrupted.here(capsys, "--json", "runs", "list")
    status = {row["name"]: row["status"] for row in json.loads(out)}
    assert (status["gpt-1"], status["gpt-2"]) == ("interrupted", "finished")


@pytest.mark.parametrize("change", ["name", "shape", "header"])
def test_tensors_that_do_not_fit(
    interrupted: Shell, capsys: pytest.CaptureFixture[str], change: str
) -> None:
    last = interrupted.directory / "runs" / "gpt-1" / "last"
    path = last / "optimizer.safetensors"
    tensors = load_file(path)
    moment = next(name for name in tensors if name.endswith("/exp_avg"))
    if change == "header":
        path = last / "weights.safetensors"
        path.write_bytes(path.read_bytes()[:200])
    else:
        tensors["nosuch/exp_avg" if change == "name" else moment] = torch.zeros(3)
        save_file(tensors, path)
    said = refused(interrupted, capsys)
    assert ("is damaged" if change == "header" else "does not fit") in said


def test_a_manifest_whose_table_is_none(
    interrupted: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = interrupted.directory / "runs" / "gpt-1" / "last" / "manifest.json"
    edit(manifest, lambda found: found.update(trained=5))
    code, _, said = interrupted.here(capsys, "train", "--resume", "gpt-1")
    assert (code, len(said.splitlines())) == (1, 1)
    assert "is not a bundle's manifest" in said


def test_a_run_without_a_checkpoint_is_not_to_be_resumed(
    interrupted: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    with sqlite3.connect(interrupted.directory / "catalog.db") as catalog:
        catalog.execute("DELETE FROM checkpoints")
    (interrupted.directory / "runs" / "gpt-1" / "last").unlink()
    code, _, said = interrupted.here(capsys, "sample", "--run", "gpt-1", "-o", "x.mid")
    assert (code, len(said.splitlines())) == (1, 1)
    assert "ended before its first checkpoint; train it again" in said
