"""Every command under a disk that fails: some of the walk. All of it: `python -m tests.faults`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.shim import compiler

ROOT = Path(__file__).parents[2]


@pytest.mark.skipif(compiler() is None, reason="needs Linux and a C compiler")
def test_a_failing_disk_never_ends_in_a_traceback_or_a_spoiled_workspace() -> None:
    commands = ("train", "resume", "sample", "render", "show", "rows", "config")
    options = ("--errors", "ENOSPC,EMFILE", "--many", "2", "--take", "4")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults", *commands, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    walked = [line for line in done.stdout.splitlines() if " sites, " in line]
    assert len(walked) == 2 * len(commands)
