"""The number of threads that a run is trained with: chosen, given, stored and changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys

from musictk.jobs.config import RunConfig
from musictk.jobs.run_settings import RunSettings, same_but_seed
from tests.cli.shell import SMALL, Shell

TINY = ("train", "--size", "tiny", *SMALL)


def _command(shell: Shell, *arguments: str, threads: str | None) -> subprocess.Popen[str]:
    """`musictk` with this OMP_NUM_THREADS."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OMP_")}
    return subprocess.Popen(
        [sys.executable, "-m", "musictk", *arguments],
        cwd=shell.directory,
        env=kept if threads is None else {**kept, "OMP_NUM_THREADS": threads},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _threads(shell: Shell, run: str) -> int:
    return int(shell.json("runs", "show", run)["settings"]["train"]["threads"])


def test_the_number_that_was_measured_repeats_the_run(shell: Shell) -> None:
    steps = ("--steps", "30", "--set", "evaluate_every=30")
    with _command(shell, "--json", *TINY, *steps, threads=None) as running:
        made = json.loads(running.communicate(timeout=600)[0])
    stored = _threads(shell, "conformer-2")
    assert stored in (1, len(os.sched_getaffinity(0)))
    assert made["threads"] == stored
    again = shell.json(*TINY, *steps, "--set", f"threads={stored}")
    assert again["digest"] == made["digest"]


def test_the_users_number_counts_and_a_setting_above_it(shell: Shell) -> None:
    short = ("--steps", "2")
    for threads in ("1", str(min(2, len(os.sched_getaffinity(0))))):
        with _command(shell, *TINY, *short, threads=threads) as running:
            said = running.communicate(timeout=600)[1]
        assert f"on cpu with {threads} thread" in said
    assert _threads(shell, "conformer-2") == 1
    assert "on cpu with 2 threads" in shell(*TINY, *short, "--set", "threads=2").stderr
    assert _threads(shell, "conformer-4") == 2


LONG = (*TINY, "--steps", "60", "--set", "evaluate_every=4", "--set", "threads=1")


def _interrupted(shell: Shell) -> None:
    """Begin a run with one thread, and interrupt it after the first evaluation."""
    with _command(shell, *LONG, threads="2") as running:
        assert running.stderr is not None
        next(line for line in running.stderr if line.startswith("step"))
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=300)
    assert running.returncode == 130


def test_a_resumed_run_keeps_its_number(shell: Shell) -> None:
    whole = shell.json(*LONG)["digest"]
    _interrupted(shell)
    with _command(shell, "--json", "train", "--resume", "conformer-3", threads="2") as running:
        resumed = json.loads(running.communicate(timeout=300)[0])
    assert resumed["threads"] == 1
    assert resumed["digest"] == whole


def test_only_the_number_of_a_resumed_run_can_change(shell: Shell) -> None:
    _interrupted(shell)
    resume = ("train", "--resume", "conformer-2", "--set")
    said = shell(*resume, "lr=1", code=2).stderr
    assert said.startswith("error: --resume cannot be combined with --set lr; to fine-tune")
    assert "threads" in shell(*resume, "threads=-1", code=2).stderr
    assert "on cpu with 2 threads" in shell(*resume, "threads=2").stderr


def test_seeds_with_different_numbers_are_one_group() -> None:
    runs = {
        str(seed): RunSettings.of(RunConfig(train={"seed": seed, "threads": seed + 1}))
        for seed in (0, 1)
    }
    assert list(same_but_seed(runs)) == [["0", "1"]]
