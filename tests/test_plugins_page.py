"""The first plugin of docs/plugins.md works as printed, from an empty folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "plugins.md").read_text("utf-8")
SECTION = PAGE.partition("## Your first plugin\n")[2].partition("\n## ")[0]
FILES = re.findall(r"^`([\w./-]+)`\n\n```\w+\n(.*?)```$", SECTION, re.S | re.M)
COMMANDS = re.findall(r"^    (\S.*)$", SECTION.partition("Install it into")[2], re.M)
PIP = ("install", "--no-deps", "--no-index", "--no-build-isolation", "--quiet", "--target", "site")
SMALL = [
    "--set",
    "model.dim=32",
    "--set",
    "model.depth=1",
    "--set",
    "length=64",
    "--set",
    "batch=2",
]


def run(folder: Path, *arguments: str) -> str:
    """Run `python -m` in `folder`, where the plugin is installed; its output."""
    path = os.pathsep.join([str(folder / "site"), *map(str, filter(None, sys.path))])
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES:
        path = tmp_path / "musictk-melody" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    for composer in ("Bach", "Satie"):
        shutil.copytree(ROOT / "examples" / "midis" / composer, tmp_path / "midis" / composer)
    return tmp_path


def test_the_first_plugin_works_as_printed(folder: Path) -> None:
    assert len(FILES) == 5
    assert COMMANDS[0] == "pip install -e ./musictk-melody"
    assert COMMANDS[-1] == "pytest musictk-melody/test_melody.py"
    run(folder, "pip", *PIP, "./musictk-melody")
    for command in COMMANDS[1:]:
        program, *arguments = command.split()
        more = SMALL if arguments[0] == "train" else []
        more = ["-q", "-p", "no:cacheprovider"] if program == "pytest" else more
        printed = run(folder, program, *arguments, *more)
        if command == "musictk plugins":
            origin = "melody (musictk-melody 0.1.0)"
            lines = [line.split()[:2] for line in printed.splitlines() if origin in line]
            assert lines == [["tokenizer", "melody"], ["sampler", "top-a"], ["command", "melody"]]
    assert "passed" in printed
    assert (folder / "out.mid").stat().st_size > 50
    assert (folder / "melody.mid").stat().st_size > 50
