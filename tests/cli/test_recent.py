"""A second ingest reads what may have changed, also where size and time do not show it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from shutil import copy

import pytest

from tests.cli.shell import Shell

SECOND = 1_000_000_000


@pytest.fixture
def music(tmp_path: Path, midis: Path) -> Path:
    (tmp_path / "music").mkdir()
    return Path(copy(midis / "Satie" / "gymnopedie_3.mid", tmp_path / "music"))


def raise_a_note(path: Path, time_ns: int) -> None:
    """Change one byte of a file, and give it this modification time."""
    data = bytearray(path.read_bytes())
    data[data.index(b"\x90") + 1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(time_ns, time_ns))


def content(shell: Shell) -> str:
    return str(shell.json("catalog", "show", "music/gymnopedie_3.mid")["sha256"])


def test_a_change_that_neither_size_nor_time_shows_is_noticed(tmp_path: Path, music: Path) -> None:
    shell = Shell(tmp_path)
    now = (time.time_ns() // SECOND + 60) * SECOND  # not yet past, however long the ingest takes
    os.utime(music, ns=(now, now))
    assert shell.json("ingest", "music")["accepted"] == 1
    before = content(shell)
    raise_a_note(music, now)
    again = shell.json("ingest", "music")
    assert (again["accepted"], again["unchanged"]) == (1, 0)
    assert content(shell) != before


def test_a_file_of_the_future_is_read_again(tmp_path: Path, music: Path) -> None:
    shell = Shell(tmp_path)
    later = time.time_ns() + 3600 * SECOND
    os.utime(music, ns=(later, later))
    for _ in range(2):
        assert shell.json("ingest", "music")["accepted"] == 1


def test_files_made_just_before_are_known_afterwards(tmp_path: Path, music: Path) -> None:
    shell = Shell(tmp_path)
    now = time.time_ns() | 1
    os.utime(music, ns=(now, now))
    assert shell.json("ingest", "music")["accepted"] == 1
    again = shell.json("ingest", "music")
    assert (again["accepted"], again["unchanged"]) == (0, 1)


def test_a_file_with_an_old_time_is_not_read_again(tmp_path: Path, music: Path) -> None:
    shell = Shell(tmp_path)
    old = 1_000_000_000 * SECOND
    os.utime(music, ns=(old, old))
    shell("ingest", "music")
    assert shell.json("ingest", "music")["unchanged"] == 1
    raise_a_note(music, old + 1)
    assert shell.json("ingest", "music")["accepted"] == 1
