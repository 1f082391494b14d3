"""Where the output goes: a full disk, a reader that has gone, a terminal without Unicode."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from musictk.catalog import Catalog


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with an empty catalog."""
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    return tmp_path


def typed(folder: Path, *arguments: str, stdout: int, **environment: str) -> tuple[int, str]:
    """The exit code of a command whose output goes to `stdout`, and its stderr."""
    done = subprocess.run(
        [sys.executable, "-m", "musictk", *arguments],
        cwd=folder,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_one_line(folder: Path) -> None:
    with Path("/dev/full").open("wb") as full:
        code, said = typed(folder, "--json", "catalog", "summary", stdout=full.fileno())
    assert code == 1
    assert said == "error: cannot write to standard output: No space left on device\n"


@pytest.mark.skipif(sys.platform == "win32", reason="pipes end differently there")
def test_a_reader_that_has_gone_is_no_error(folder: Path) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        code, said = typed(folder, "--json", "catalog", "summary", stdout=theirs)
    finally:
        os.close(theirs)
    assert (code, said) == (1, "")


def test_a_terminal_without_unicode_gets_question_marks(tmp_path: Path) -> None:
    (tmp_path / "musictk.toml").write_text('[sample]\ncomposer = "Dvořák"\n', "utf-8")
    with (tmp_path / "out").open("wb") as out:
        code, said = typed(tmp_path, "config", stdout=out.fileno(), PYTHONIOENCODING="ascii")
    assert (code, said) == (0, "")
    assert "Dvo??k" in (tmp_path / "out").read_text("ascii")
