"""Where the output goes: a full disk, a reader that has gone, a terminal without Unicode."""

from __future__ import annotations

import json
import os
import shutil
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


ENCODINGS = [
    {"PYTHONIOENCODING": "ascii"},
    {"PYTHONIOENCODING": "latin-1"},
    {"PYTHONIOENCODING": "cp1252"},
    {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
]


@pytest.mark.parametrize("environment", ENCODINGS, ids=["ascii", "latin-1", "cp1252", "C"])
def test_a_composer_with_accents_passes_every_encoding(
    midis: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "midis" / "Dvořák").mkdir(parents=True)
    shutil.copy(midis / "Satie" / "gymnopedie_3.mid", tmp_path / "midis" / "Dvořák")
    commands = [
        ["ingest", "midis"],
        ["--json", "catalog", "composers"],
        ["catalog", "composers"],
        ["catalog", "export", "rows.jsonl"],
        ["show", "midis/Dvořák/gymnopedie_3.mid", "-o", "Dvořák.svg"],
    ]
    for number, command in enumerate(commands):
        with (tmp_path / f"out-{number}").open("wb") as out:
            code, said = typed(tmp_path, *command, stdout=out.fileno(), **environment)
        assert (code, said.count("Traceback")) == (0, 0), said
    found = json.loads((tmp_path / "out-1").read_bytes())  # valid JSON in every encoding
    rows = (tmp_path / "rows.jsonl").read_text("utf-8")
    assert (tmp_path / "Dvořák.svg").is_file()
    if "LC_ALL" not in environment:  # a forced ASCII locale reads names of folders as bytes
        assert [row["name"] for row in found] == ["Dvořák"]
        assert "Dvořák" in rows
