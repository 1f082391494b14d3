"""Output of `musictk train` when a run fails or does not improve."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.shell import Shell

TINY = ["--set", "length=64", "--set", "batch=2", "--set", "tensorboard=false"]
BODY = ["--set", "dim=32", "--set", "depth=1", "--set", "heads=2"]
GPT = ["--arch", "gpt", *BODY, *TINY]


def test_a_run_that_diverges_ends_in_one_line(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("train", *GPT, "--steps", "40", "--seed", "3", "--set", "lr=1e20")
    code, _, said = shell.here(capsys, *asked)
    assert code == 1
    error = said.splitlines()[-1]
    assert error.startswith("error: gpt-1 diverged at step 20: validation is not a finite number")
    assert error.endswith("train again with a lower learning rate, such as --set lr=0.001")
    assert "next: musictk sample" not in said
    rows = [(row["name"], row["status"], row["nll"]) for row in shell.runs()]
    assert rows[1] == ("gpt-1", "diverged", None)
    code, out, _ = shell.here(capsys, "sample", "--bars", "1", "-o", "out.mid")
    assert (code, "by conformer-1" in out) == (0, True)
    for command in (("sample", "-o", "x.mid"), ("export",)):
        code, _, said = shell.here(capsys, *command, "--run", "gpt-1")
        assert code == 1
        assert said.startswith("error: run 'gpt-1' diverged before it had a good checkpoint: ")
        assert len(said.splitlines()) == 1
    code, _, said = shell.here(capsys, "train", "--resume", "gpt-1")
    assert (code, len(said.splitlines())) == (2, 1)
    assert not (shell.directory / "x.mid").exists()


def test_a_run_no_better_than_its_start_has_a_note(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ("train", "--from", "conformer-1", "--steps", "3", *TINY)
    code, out, said = shell.here(capsys, *asked, "--set", "lr=5")
    assert code == 0
    assert "step 0: valid loss" in said
    assert "before training" in said
    assert "no checkpoint is better than conformer-1: its weights are kept as the best" in out
    best = [Path(shell.directory, "runs", name, "best") for name in ("conformer-1", "conformer-2")]
    first, second = ((path / "weights.safetensors").read_bytes() for path in best)
    assert first == second
