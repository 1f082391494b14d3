"""The precision that a run is trained in, and what is said of it."""

from __future__ import annotations

import os
import platform
import signal
import subprocess
import sys

import pytest
import torch

from musictk.training.precision import fastest
from tests.cli.shell import SMALL, Shell

TRAIN = ("train", "--size", "tiny", "--steps", "2", *SMALL)


def test_auto_is_stored_as_what_it_stands_for(shell: Shell) -> None:
    said = shell(*TRAIN)
    here = fastest("cpu")
    assert f"tokens in {here} on cpu" in said.stderr
    asked = shell(*TRAIN, "--set", "precision=auto")
    assert "warning" not in asked.stderr
    for run in ("conformer-2", "conformer-3"):
        assert shell.json("runs", "show", run)["settings"]["train"]["precision"] == here


def test_a_gpu_that_emulates_bf16_is_given_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    """By default torch counts GPUs before Ampere, such as the T4, which only emulate it."""

    def supported(including_emulation: bool = True) -> bool:
        return including_emulation

    monkeypatch.setattr(torch.cuda, "is_bf16_supported", supported)
    assert fastest("cuda") == "fp32"


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_precision_that_is_given_is_kept(shell: Shell, precision: str) -> None:
    said = shell(*TRAIN, "--set", f"precision={precision}")
    assert f"in {precision} on cpu" in said.stderr


@pytest.mark.skipif(platform.machine() != "x86_64", reason="limits what x86 offers")
def test_bf16_where_it_is_slow_works_and_says_so(shell: Shell) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "musictk", *TRAIN, "--set", "precision=bf16"],
        cwd=shell.directory,
        env={**os.environ, "OMP_NUM_THREADS": "1", "ONEDNN_MAX_CPU_ISA": "AVX2"},
        capture_output=True,
        text=True,
        check=True,
    )
    (line,) = (line for line in done.stderr.splitlines() if "slow" in line)
    assert line.startswith("warning: bf16 is slow on this CPU (")
    assert line.endswith("precision=fp32 is faster")


def test_an_interrupted_run_in_bf16_resumes_exactly(shell: Shell) -> None:
    train = (*TRAIN, "--set", "precision=bf16", "--set", "evaluate_every=2", "--steps", "200")
    whole = shell.json(*train)
    with subprocess.Popen(
        [sys.executable, "-m", "musictk", *train],
        cwd=shell.directory,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        assert running.stderr is not None
        next(line for line in running.stderr if line.startswith("step"))
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=300)
    assert running.returncode == 130
    assert shell.json("train", "--resume", "conformer-3")["digest"] == whole["digest"]
