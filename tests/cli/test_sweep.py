"""`musictk sweep`."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time

import pytest

from musictk.generation.control_text import listed
from tests.cli.shell import Shell

SMALL = ["--steps", "2", "--set", "length=64", "--set", "batch=2", "--set", "tensorboard=false"]
SMALL += ["--arch", "gpt", "--set", "depth=1", "--set", "heads=2"]


def test_a_sweep_trains_each_combination_once(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("sweep", *SMALL, "--set", "model.dim=32,64", "--set", "lr=1e-3,1e20", "--seeds", "0,1")
    names = {
        f"sweep-dim{d}-lr{lr}-seed{s}" for d in (32, 64) for lr in ("0.001", "1e20") for s in (0, 1)
    }
    code, out, _ = shell.here(capsys, "--json", *asked, "--dry-run")
    rows = json.loads(out)
    assert code == 0
    assert {row["run"] for row in rows} == names
    assert {row["status"] for row in rows} == {"new"}
    code, out, said = shell.here(capsys, *asked)
    assert code == 1
    assert "8 runs: 8 new" in said
    assert "run 1 of 8: sweep-dim32-lr0.001-seed0: training" in said
    assert "sweep-dim32-lr1e20-seed0 diverged: " in said
    assert said.splitlines()[-1] == "error: 4 of 8 runs did not finish; see above"
    assert "model.dim" in out
    assert " ± " in out
    code, out, said = shell.here(capsys, "--json", *asked)
    assert code == 1
    assert "8 runs: 2 finished, 2 diverged" not in said
    assert "finished before, skipped" in said
    found = json.loads(out)
    assert {row["status"] for row in found["runs"]} == {"finished", "diverged"}
    assert [row["n"] for row in found["comparison"]] == [2, 2]
    code, _, said = shell.here(capsys, *asked, "--steps", "3")
    assert (code, "exists already, with other settings; give this sweep" in said) == (2, True)


def test_an_interrupted_sweep_continues(shell: Shell) -> None:
    asked = ["sweep", *SMALL, "--steps", "150", "--set", "dim=32", "--seeds", "0,1", "--name", "s"]
    program = subprocess.Popen(
        [sys.executable, "-m", "musictk", *asked],
        cwd=shell.directory,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    log = shell.directory / "runs" / "s-seed1" / "log.jsonl"
    until = time.monotonic() + 120
    while not (log.is_file() and log.stat().st_size) and time.monotonic() < until:
        time.sleep(0.02)
    program.send_signal(signal.SIGINT)
    _, said = program.communicate(timeout=120)
    assert program.returncode == 130, said
    assert said.splitlines()[-1] == "interrupted; to continue, run the same command again"
    rows = {row["name"]: row["status"] for row in shell.json("runs", "list")}
    assert (rows["s-seed0"], rows["s-seed1"]) == ("finished", "interrupted")
    found = shell("--json", *asked)
    assert "2 runs: 1 finished, 1 interrupted" in found.stderr
    assert "run 2 of 2: s-seed1: resuming" in found.stderr
    (group,) = json.loads(found.stdout)["comparison"]
    assert sorted(group["runs"]) == ["s-seed0", "s-seed1"]


def test_values_that_are_lists_and_values_that_are_wrong(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["sweep", "--dry-run", "--arch", "conformer,gpt", "--name", "w", "--size", "tiny"]
    asked += ("--tokenizer", "remi", "--condition", "composer", "--device", "cpu")
    code, out, _ = shell.here(capsys, "--json", *asked)
    assert [row["run"] for row in json.loads(out)] == ["w-conformer", "w-gpt"]
    windows = ["sweep", "--dry-run", "--arch", "conformer", "--lora", "0"]
    windows += ["--set", "model.windows=[16, 64],[32, 64]"]
    code, out, _ = shell.here(capsys, "--json", *windows, "--epochs", "1,2", "--export", "onnx")
    rows = json.loads(out)
    assert [row["model.windows"] for row in rows] == [[16, 64], [32, 64]] * 2
    assert rows[0]["run"] == "sweep-epochs1-windows16_64"
    wrongs = {
        ("--steps", "2,x"): "--steps '2,x' is not a list of numbers",
        ("--seeds", "1,,2"): "--seeds '1,,2' has an empty value",
        ("--arch", "gpt,gtp"): "no architecture 'gtp'",
        ("--seeds", "1,1"): "two runs would be called sweep-seed1",
        ("--set", "dimm=1,2"): "no setting 'dimm'",
        ("--preset", "nothing"): "no preset 'nothing'",
        ("--from", "nothing"): "no run 'nothing'",
        ("--config", "nothing.toml"): "there is no file nothing.toml",
        ("--track", "nothing"): "no tracker 'nothing'",
    }
    for wrong, message in wrongs.items():
        code, _, said = shell.here(capsys, "sweep", "--dry-run", *wrong)
        assert (code, message in said) == (2, True), said


def test_commas_in_brackets_and_quotes_separate_nothing() -> None:
    assert listed("64,128") == ["64", "128"]
    assert listed("[16, 64], [32]") == ["[16, 64]", "[32]"]
    assert listed("""'a,b',"c]",{x = 1, y = 2}""") == ["'a,b'", '"c]"', "{x = 1, y = 2}"]
