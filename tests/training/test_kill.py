"""Law 6: a run killed at any moment and resumed ends with the weights of one that was not."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from musictk.errors import MusictkError
from musictk.model import bundle
from musictk.training.directory import resumable

OFTEN = ("checkpoint_every=1", "steps=12")


def _start(script: Path, directory: Path, *more: str) -> subprocess.Popen[str]:
    command = [sys.executable, str(script), str(directory), *OFTEN, *more]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    )


class Killed(BaseException):
    """Nothing catches it."""


def _counted(operation: Callable[..., Any], countdown: list[int]) -> Callable[..., Any]:
    """The operation, which raises Killed when the countdown reaches 0."""

    def counted(*arguments: Any, **options: Any) -> Any:
        countdown[0] -= 1
        if countdown[0] == 0:
            raise Killed
        return operation(*arguments, **options)

    return counted


def test_a_run_killed_several_times_ends_with_equal_weights(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    values = dict(item.split("=") for item in OFTEN)
    expected = small.run(tmp_path / "whole", small.SMALL.but(log_every=1, **values)).digest
    directory = tmp_path / "killed"
    for lines in (2, 4):
        more = ["--resume"] if resumable(directory) else []
        process = _start(small.script, directory, "--slow", *more)
        assert process.stdout is not None
        for _ in range(lines):
            assert process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        bundle.read(directory / "last")
    out, err = _start(small.script, directory, "--resume").communicate()
    assert out.split() == ["finished", "12", expected], err


def test_every_state_a_kill_can_leave_is_resumed_exactly(
    small: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stop the writing of a checkpoint after each of its file operations in turn."""
    settings = small.SMALL.but(steps=4, checkpoint_every=2, evaluate_every=4, length=8)
    expected = small.run(tmp_path / "whole", settings).digest

    survived = 0
    for moment in range(1, 60):
        directory = tmp_path / f"at-{moment}"
        countdown = [moment]

        with monkeypatch.context() as patch:
            for name in ("replace", "symlink_to", "unlink"):
                patch.setattr(Path, name, _counted(getattr(Path, name), countdown))
            try:
                small.run(directory, settings)
                break
            except Killed:
                survived += 1
        if resumable(directory):
            bundle.read(directory / "last")
            assert small.run(directory, settings, resume=True).digest == expected
        else:
            with pytest.raises(MusictkError, match="no checkpoint"):
                small.run(directory, settings, resume=True)
            assert small.run(directory, settings).digest == expected
    assert survived > 10


def test_a_full_disk_does_not_change_the_last_checkpoint(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    """No file may grow: what a full disk does, for one process only."""
    code = (
        "import resource, runpy, signal, sys\n"
        "from pathlib import Path\n"
        "small = runpy.run_path(sys.argv[1])\n"
        "directory = Path(sys.argv[2])\n"
        "print(small['run'](directory, small['SMALL'].but(steps=5)).digest)\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "network, manifest = small['fresh']()\n"
        "from musictk.errors import MusictkError\n"
        "from musictk.training import checkpoint\n"
        "try:\n"
        "    checkpoint.save(directory, network, manifest, {}, {'step': 9}, best=True)\n"
        "except MusictkError as error:\n"
        "    print('refused', error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(small.script), str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=True,
    )
    digest, refusal = done.stdout.splitlines()
    assert refusal.startswith("refused cannot write")
    assert bundle.weights_digest(bundle.read(tmp_path / "run/last")[0]) == digest
    left = sorted(path.name for path in (tmp_path / "run/checkpoints").iterdir())
    assert left == ["step-0000005"]
