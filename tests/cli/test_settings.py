"""Settings files and --set."""

from __future__ import annotations

import json
import re
import tomllib
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from musictk.catalog import Catalog
from musictk.cli.main import build_command
from musictk.cli.settings import assignments, bind, command_options, defaults
from musictk.errors import UsageError
from musictk.generation import sampling
from musictk.generation.sampling import Sampling
from tests.cli.shell import Shell

COMMANDS = Path(__file__).parents[2] / "docs" / "commands.md"


def test_assignments_are_read_as_toml_where_they_are_toml() -> None:
    found = assignments(["model.dim=64", "model.windows=[8, 16]", "optimizer=muon"])
    assert found == {"model": {"dim": 64, "windows": [8, 16]}, "": {"optimizer": "muon"}}


@pytest.mark.parametrize("broken", ["model.dim", "model.=3", "=", ""])
def test_an_invalid_assignment_shows_the_form(broken: str) -> None:
    with pytest.raises(UsageError, match="KEY=VALUE"):
        assignments([broken])


def test_defaults_come_from_the_file(tmp_path: Path) -> None:
    file = tmp_path / "musictk.toml"
    assert defaults(file) == {}
    file.write_text('[train]\narch = "gpt"\n')
    assert defaults(file) == {"train": {"arch": "gpt"}}
    file.write_text("[train\n")
    with pytest.raises(UsageError, match="not valid TOML"):
        defaults(file)


def test_the_defaults_of_sampling_are_shown() -> None:
    """In `--help` and in the documentation: every one, with its default."""
    sample = vars(build_command())["commands"]["sample"]
    shown = {option.name: option.show_default for option in sample.params}
    usual = asdict(Sampling())
    assert usual["programs"] == ""
    usual["programs"] = "all"
    assert {name: shown[name] for name in usual} == {name: str(usual[name]) for name in usual}
    for option in sample.params:
        if info := sampling.options().get(option.name):
            assert option.help == info.help


def test_every_option_is_set_by_its_flags_own_name() -> None:
    """In the environment and in the file, of every command there is."""
    root = build_command()
    found = list(command_options(root))
    assert {("json",), ("train", "set"), ("train", "from"), ("evaluate", "as")} <= {
        path for path, _ in found
    }
    for path, option in found:
        *above, flag = path
        assert f"--{flag}" in option.opts
        assert option.envvar == "_".join(["MUSICTK", *above, flag]).upper().replace("-", "_")
        table: Any = {flag: "here"}
        for name in reversed(above):
            table = {name: table}
        command = bind(root, table)
        for name in above:
            command = command.commands[name]
        assert command.context_settings["default_map"] == {option.name: "here"}


@pytest.mark.parametrize(
    ("variable", "line", "named"),
    [
        ("MUSICTK_TRAIN_SET", 'set = ["clipp=1"]', "did you mean 'clip'"),
        ("MUSICTK_TRAIN_FROM", 'from = "clipp=1"', "no run 'clipp=1'"),
    ],
)
def test_the_environment_and_the_file_are_used(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    line: str,
    named: str,
) -> None:
    shell, file = Shell(tmp_path), tmp_path / "musictk.toml"
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    file.write_text(f"[train]\n{line}\n")
    assert named in shell.here(capsys, "train")[2]
    file.unlink()
    monkeypatch.setenv(variable, "clipp=1")
    assert named in shell.here(capsys, "train")[2]


def test_a_resumed_run_ignores_the_environment(
    trained: Shell, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MUSICTK_TRAIN_ARCH", "gpt")
    assert "is finished" in trained.here(capsys, "train", "--resume", "conformer-1")[2]


def test_the_file_of_the_documentation_is_valid(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = re.search(r"```toml\n(.*?)```", COMMANDS.read_text("utf-8"), re.S)
    assert found is not None
    (tmp_path / "musictk.toml").write_text(found[1])
    code, said, _ = Shell(tmp_path).here(capsys, "--json", "config")
    assert code == 0
    told = {row["setting"]: row["value"] for row in json.loads(said)}
    file = tomllib.loads(found[1])
    assert told["quiet"] is file["quiet"] is True
    assert told["train.set"] == file["train"]["set"]
    assert told["sample.top-k"] == file["sample"]["top-k"]
    assert told["catalog.files.split"] == file["catalog"]["files"]["split"]
    assert len(told) == 8
