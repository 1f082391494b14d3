"""One process at a time trains in a directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from musictk.errors import MusictkError
from musictk.training.directory import LockedError, is_locked, lock

HOLDER = (
    "import sys; from pathlib import Path\n"
    "from musictk.training.directory import lock\n"
    "with lock(Path(sys.argv[1])):\n    print('held', flush=True); sys.stdin.read()"
)


def test_a_directory_is_held_until_the_process_is_gone(
    small: SimpleNamespace, tmp_path: Path
) -> None:
    small.run(tmp_path / "run", small.SMALL.but(steps=5))
    assert not is_locked(tmp_path / "run")
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "run")]
    other = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "held\n"
    before = sorted(path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*"))
    assert is_locked(tmp_path / "run")
    for resume in (True, False):
        with pytest.raises(LockedError, match="another process is training 'run'; wait until"):
            small.run(tmp_path / "run", small.SMALL.but(steps=5), resume=resume)
    assert sorted(path.stat().st_mtime_ns for path in (tmp_path / "run").rglob("*")) == before
    os.kill(other.pid, signal.SIGKILL)
    other.communicate()
    assert not is_locked(tmp_path / "run")
    assert small.run(tmp_path / "run", small.SMALL.but(steps=5), resume=True).step == 5


def test_two_threads_do_not_share_it_either(tmp_path: Path) -> None:
    with lock(tmp_path), pytest.raises(LockedError), lock(tmp_path):
        pass
    with lock(tmp_path):
        assert is_locked(tmp_path)
    assert not is_locked(tmp_path)
    assert not is_locked(tmp_path / "none")


def test_who_asks_for_a_moment_is_not_training(tmp_path: Path) -> None:
    """`is_locked` locks the directory to find out."""
    taken = threading.Event()

    def ask() -> None:
        with lock(tmp_path):
            taken.set()
            time.sleep(0.005)

    for _ in range(5):
        taken.clear()
        asking = threading.Thread(target=ask)
        asking.start()
        assert taken.wait(60)
        with lock(tmp_path):
            pass
        asking.join()


def test_a_directory_that_cannot_be_created_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    refused = pytest.raises(MusictkError, match=r"cannot write .*file/run/lock: ")
    with refused, lock(tmp_path / "file" / "run"):
        pass
