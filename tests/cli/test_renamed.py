"""Old names of settings keep working: with a notice where they are typed, silently where stored."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shell import Shell

PLUGIN = '''"""An architecture whose setting `layers` was renamed to `depth`."""

from dataclasses import dataclass
from typing import ClassVar

from musictk.plugin import hookimpl
from musictk_gpt.model import GPT, GPTConfig


@dataclass(frozen=True)
class RenamedConfig(GPTConfig):
    RENAMED: ClassVar = {"layers": "depth"}


class Renamed(GPT):
    name = "renamed"
    Config = RenamedConfig


@hookimpl
def register_architectures(register):
    register("renamed", "plugin_renamed:Renamed", "A gpt with a renamed setting.")
'''
SMALL = ("--set", "dim=32", "--set", "heads=2", "--set", "length=64", "--set", "batch=2")
TRAIN = ("train", "--arch", "renamed", "--tokenizer", "events", "--steps", "1", *SMALL)


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """A folder for PYTHONPATH, with the plugin as an installed distribution."""
    folder = tmp_path / "site"
    info = folder / "renamed-1.0.dist-info"
    info.mkdir(parents=True)
    (folder / "plugin_renamed.py").write_text(PLUGIN)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: renamed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[musictk]\nrenamed = plugin_renamed\n")
    return folder


def musictk(shell: Shell, plugin: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The program, with the plugin installed."""
    paths = [str(plugin), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "-m", "musictk", *words],
        cwd=shell.directory,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done


def notices(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line for line in done.stderr.splitlines() if "is now" in line]


def test_an_old_name_is_translated_and_noticed(shell: Shell, plugin: Path) -> None:
    done = musictk(shell, plugin, *TRAIN, "--set", "model.layers=2")
    assert notices(done) == ["--set: model.layers is now model.depth"]
    (shell.directory / "run.toml").write_text("[model]\nlayers = 3\n")
    done = musictk(shell, plugin, *TRAIN, "--config", "run.toml", "--set", "layers=2")
    assert notices(done) == [
        "run.toml: model.layers is now model.depth",
        "--set: model.layers is now model.depth",
    ]
    for run in ("renamed-1", "renamed-2"):
        model = shell.json("runs", "show", run)["settings"]["model"]
        assert (model["depth"], "layers" in model) == (2, False)


def test_stored_old_names_are_read_silently(shell: Shell, plugin: Path) -> None:
    musictk(shell, plugin, *TRAIN, "--set", "depth=2")
    with closing(sqlite3.connect(shell.directory / "catalog.db")) as database:
        query = """UPDATE runs SET settings = replace(settings, '"depth"', '"layers"')"""
        database.execute(query)
        database.execute("UPDATE runs SET status = 'interrupted' WHERE name = 'renamed-1'")
        database.commit()
    for path in (shell.directory / "runs" / "renamed-1").rglob("manifest.json"):
        path.write_text(path.read_text().replace('"depth"', '"layers"'))
    for words in (("--resume", "renamed-1"), ("--from", "renamed-1", "--steps", "1")):
        assert notices(musictk(shell, plugin, "train", *words)) == []
    musictk(shell, plugin, "sample", "--run", "renamed-1", "--bars", "1", "-o", "out.mid")
