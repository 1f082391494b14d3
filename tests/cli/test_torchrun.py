"""`musictk train` as two processes."""

from __future__ import annotations

import os
import subprocess
import sys

from musictk.builtin import MODELS
from tests.cli.shell import SMALL, Shell


def _torchrun(shell: Shell, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    return subprocess.run(
        [*command, "-m", "musictk", "train", "--steps", "2", *arguments],
        cwd=shell.directory,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_two_processes_make_one_run(shell: Shell) -> None:
    done = _torchrun(shell, "--size", "tiny", *SMALL, "--export", "torchscript")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("conformer-2 finished at step 2") == 1
    names = [row["name"] for row in shell.json("runs", "list")]
    assert names == [*MODELS, "conformer-1", "conformer-2"]
    assert (shell.directory / "exports" / "conformer-2-torchscript").is_dir()


def test_an_error_of_the_first_ends_both(shell: Shell) -> None:
    done = _torchrun(shell, "--condition", "mood")
    said = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert done.returncode != 0
    assert sorted(said) == [
        "error: no label category 'mood'; choose from: composer",
        "error: the first process could not begin; see the error it printed",
    ]
