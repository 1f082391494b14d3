"""`train --track`: the built-in trackers, against stand-ins of their libraries."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from musictk.catalog import Catalog
from tests.cli.shell import Shell
from tests.training.run_log import read_log

GPT = ["--arch", "gpt", "--set", "dim=32", "--set", "depth=1", "--set", "heads=2"]
BRIEF = ["--steps", "3", "--set", "length=64", "--set", "batch=2", "--set", "log_every=1"]

# Each writes its calls as JSON lines to calls.jsonl in the current directory.
RECORD = """
import json
def record(*call):
    with open("calls.jsonl", "a") as stream:
        stream.write(json.dumps(call, default=str) + "\\n")
"""
WANDB = (
    RECORD
    + """
class Run:
    id = "abc"
    def log(self, data, step=None):
        record("log", data, step)
    def finish(self, exit_code=None):
        record("finish", exit_code)
def init(project=None, name=None, dir=None, id=None, resume=None, config=None):
    record("init", project, name, id, resume, config)
    return Run()
"""
)
MLFLOW = (
    RECORD
    + """
class Info:
    run_id = "xyz"
class Run:
    info = Info()
def set_experiment(name):
    record("experiment", name)
def start_run(run_id=None, run_name=None):
    record("init", run_name, run_id)
    return Run()
def log_params(params):
    record("params", params)
def log_metrics(metrics, step=None):
    record("log", metrics, step)
def end_run(status="FINISHED"):
    record("finish", status)
"""
)


@pytest.fixture
def library(
    shell: Shell, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Path]:
    """A folder of modules that hides the real libraries."""
    folder = tmp_path_factory.mktemp("libraries")
    monkeypatch.syspath_prepend(folder)
    for name in ("wandb", "mlflow"):
        monkeypatch.delitem(sys.modules, name, raising=False)
        (folder / f"{name}.py").write_text("raise ImportError('no such library')\n")
    yield folder
    for name in ("wandb", "mlflow"):
        sys.modules.pop(name, None)


def calls(shell: Shell) -> list[list[object]]:
    path = shell.directory / "calls.jsonl"
    found = [json.loads(line) for line in path.read_text().splitlines()]
    path.unlink()
    return found


def interrupt(shell: Shell, run: str) -> None:
    """Let a finished run have more steps, as if it had been interrupted."""
    with Catalog.open(f"sqlite:///{shell.directory}/catalog.db", shell.directory) as catalog:
        catalog.finish_run(run, "interrupted")


def test_a_missing_library_is_an_error_before_training(
    shell: Shell, capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    for name in ("wandb", "mlflow"):
        code, _, said = shell.here(capsys, "train", *GPT, *BRIEF, "--track", name)
        assert code == 1
        assert said == (
            f"error: --track {name} needs a library that is not installed (no such library); "
            f"run: pip install {name}\n"
        )
    code, _, said = shell.here(capsys, "train", *GPT, *BRIEF, "--track", "wandbb")
    assert (code, said.count("\n")) == (2, 1)
    assert "no tracker 'wandbb' (from --track); did you mean 'wandb'?" in said
    assert [path.name for path in (shell.directory / "runs").iterdir()] == ["conformer-1"]


def test_wandb_gets_the_log_and_continues_its_run(
    shell: Shell, capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    (library / "wandb.py").write_text(WANDB)
    (shell.directory / "musictk.toml").write_text('[train]\ntrack = ["wandb"]\n')
    code, _, said = shell.here(capsys, "train", *GPT, *BRIEF, "--name", "mine")
    assert code == 0, said
    found = calls(shell)
    init, *logged, finish = found
    assert init[:5] == ["init", "musictk", "mine", None, None]
    assert isinstance(init[5], dict)
    assert (init[5]["model.dim"], init[5]["train.batch"], init[5]["arch"]) == (32, 2, "gpt")
    assert finish == ["finish", 0]
    log = read_log(shell.directory / "runs" / "mine")
    assert [call[2] for call in logged] == [entry["step"] for entry in log]
    for (_, values, _), entry in zip(logged, log, strict=True):
        kind = entry.pop("kind")
        del entry["step"]
        assert values == {f"{kind}/{key}": value for key, value in entry.items()}
    ids = json.loads((shell.directory / "runs" / "mine" / "trackers.json").read_text())
    assert ids == {"wandb": "abc"}
    interrupt(shell, "mine")
    code, _, said = shell.here(capsys, "train", "--resume", "mine")
    assert code == 0, said
    assert calls(shell)[0][:5] == ["init", "musictk", "mine", "abc", "allow"]


def test_mlflow_gets_the_log_and_how_the_run_ended(
    shell: Shell, capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    (library / "mlflow.py").write_text(MLFLOW)
    asked = ("train", *GPT, *BRIEF, "--track", "mlflow", "--track", "tensorboard")
    code, _, said = shell.here(capsys, *asked)
    assert code == 0, said
    experiment, init, params, *logged, finish = calls(shell)
    assert (experiment, init) == (["experiment", "musictk"], ["init", "gpt-1", None])
    assert isinstance(params[1], dict)
    assert params[1]["model.dim"] == "32"
    assert [call[2] for call in logged] == [1, 2, 3, 3]
    assert finish == ["finish", "FINISHED"]
    assert len(list((shell.directory / "runs" / "gpt-1" / "tensorboard").iterdir())) == 1
    interrupt(shell, "gpt-1")
    assert shell.here(capsys, "train", "--resume", "gpt-1")[0] == 0
    assert calls(shell) == [
        ["experiment", "musictk"],
        ["init", "gpt-1", "xyz"],
        ["finish", "FINISHED"],
    ]
    code, _, _ = shell.here(capsys, *asked, "--set", "lr=1e20", "--steps", "30")
    assert (code, calls(shell)[-1]) == (1, ["finish", "FAILED"])


def test_a_tracker_that_fails_warns_once(
    shell: Shell, capsys: pytest.CaptureFixture[str], library: Path
) -> None:
    broken = WANDB.replace('record("log", data, step)', 'raise OSError("no network")')
    (library / "wandb.py").write_text(broken)
    sweep = ("sweep", *GPT, *BRIEF, "--track", "wandb", "--name", "s")
    code, _, said = shell.here(capsys, *sweep)
    assert code == 0, said
    warnings = [line for line in said.splitlines() if line.startswith("warning")]
    assert warnings == ["warning: wandb failed; training continues without it: OSError: no network"]
    assert len(calls(shell)) == 1
