"""Every command of the README runs, in its order, in a directory with a few composers."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.cli.shell import Shell

ROOT = Path(__file__).parents[1]
COMMANDS = re.findall(r"(?m)^    musictk (.+)$", (ROOT / "README.md").read_text("utf-8"))
# What a reader would wait minutes for is cut short; nothing else about the command changes.
MODEL = ("model.dim=32", "model.depth=1", "model.heads=2")
SETTINGS = (*MODEL, "length=64", "batch=2", "accumulation=1")
SHORT = ["--size", "tiny", "--steps", "2", *(f"--set={setting}" for setting in SETTINGS)]


def test_the_readme_shows_the_four_commands_first() -> None:
    assert COMMANDS[:4] == [
        "ingest ./midis",
        "train --arch conformer",
        "sample --composer Bach --form AABA -o out.mid",
        "export --onnx",
    ]


def test_every_command_runs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shell = Shell(tmp_path)
    for composer in ("Bach", "Chopin", "Satie", "Schumann"):
        shutil.copytree(ROOT / "examples" / "midis" / composer, tmp_path / "midis" / composer)
    shutil.copy(ROOT / "examples" / "midis" / "Satie" / "gymnopedie_3.mid", tmp_path / "mine.mid")
    for command in COMMANDS:
        typed = shlex.split(command)
        code, _, said = shell.here(capsys, *typed, *(SHORT if typed[0] == "train" else []))
        assert code == 0, f"musictk {command}\n{said}"
    made = {path.name for path in tmp_path.glob("*.mid")}
    assert {"out.mid", "mixed.mid", "free.mid", "takes-8.mid", "continued.mid"} <= made
