"""Old names of settings keep working: with a notice where they are typed, silently where stored."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.cli.shell import Shell
from tests.installed import available, write_plugin

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
    write_plugin(folder, "renamed", PLUGIN)
    return folder


@pytest.fixture
def musictk(
    shell: Shell, plugin: Path, capsys: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., list[str]]]:
    """The program, with the plugin installed; returns its notices about renamed settings."""

    def run(*words: str) -> list[str]:
        code, _, errors = shell.here(capsys, *words)
        assert code == 0, errors
        return [line for line in errors.splitlines() if "is now" in line]

    with available(plugin, "renamed"):
        yield run


def test_an_old_name_is_translated_and_noticed(
    shell: Shell, musictk: Callable[..., list[str]]
) -> None:
    assert musictk(*TRAIN, "--set", "model.layers=2") == ["--set: model.layers is now model.depth"]
    (shell.directory / "run.toml").write_text("[model]\nlayers = 3\n")
    assert musictk(*TRAIN, "--config", "run.toml", "--set", "layers=2") == [
        "run.toml: model.layers is now model.depth",
        "--set: model.layers is now model.depth",
    ]
    for run in ("renamed-1", "renamed-2"):
        model = shell.json("runs", "show", run)["settings"]["model"]
        assert (model["depth"], "layers" in model) == (2, False)


def test_stored_old_names_are_read_silently(
    shell: Shell, musictk: Callable[..., list[str]]
) -> None:
    musictk(*TRAIN, "--set", "depth=2")
    with closing(sqlite3.connect(shell.directory / "catalog.db")) as database:
        query = """UPDATE runs SET settings = replace(settings, '"depth"', '"layers"')"""
        database.execute(query)
        database.execute("UPDATE runs SET status = 'interrupted' WHERE name = 'renamed-1'")
        database.commit()
    for path in (shell.directory / "runs" / "renamed-1").rglob("manifest.json"):
        path.write_text(path.read_text().replace('"depth"', '"layers"'))
    for words in (("--resume", "renamed-1"), ("--from", "renamed-1", "--steps", "1")):
        assert musictk("train", *words) == []
    musictk("sample", "--run", "renamed-1", "--bars", "1", "-o", "out.mid")
