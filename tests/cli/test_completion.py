"""Completion of values, through the protocol that a shell uses."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from musictk.builtin import MODELS
from musictk.catalog import Catalog
from tests.catalog.conftest import make
from tests.cli.shell import Shell

Complete = Callable[..., list[str]]
PROGRAM = """
import atexit, sys
atexit.register(lambda: print("torch" in sys.modules, file=sys.stderr))
sys.argv = ["musictk"]
from musictk.cli.main import main
main()
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A catalog of three composers, some labels and two runs."""
    with Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path) as catalog:
        names = ["Dvořák", "Dvorak", "Johann Sebastian Bach", "Dvořák"]
        catalog.record([make(number, composer=name) for number, name in enumerate(names, 1)])
        catalog.record([make(9, path="midis/x.mid", code="corrupt", composer=None, facts={})])
        catalog.label("1", "period", "Romantic")
        catalog.alias("Dvořák", "Antonín Dvořák")
        catalog.start_run("gpt", "f", {})
        catalog.start_run("gpt", "f", {}, name="first-try")
    return tmp_path


@pytest.fixture
def complete(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Complete:
    """The completions of the last word, in bash."""
    monkeypatch.setattr(sys, "argv", ["musictk"])
    monkeypatch.setenv("_MUSICTK_COMPLETE", "complete_bash")

    def run(*words: str) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", "\n".join(["musictk", *words]))
        monkeypatch.setenv("COMP_CWORD", str(len(words)))
        code, out, err = Shell(folder).here(capsys)
        assert (code, err) == (0, "")
        return out.split("\n")[:-1] if out.strip() else []

    return run


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("sample --composer dv", ["Dvořák", "Dvorak"]),
        ("sample --composer dvorak", ["Dvorak"]),
        ("sample --composer Bach:0.6,dv", ["Bach:0.6,Dvořák", "Bach:0.6,Dvorak"]),
        ("sample --composer j", [r"Johann\ Sebastian\ Bach"]),
        ("sample --composer 'j", ["Johann Sebastian Bach"]),
        ("catalog files --composer anto", [r"Antonín\ Dvořák"]),
        ("evaluate x.mid --composer joh", [r"Johann\ Sebastian\ Bach"]),
        ("catalog alias joh", [r"Johann\ Sebastian\ Bach"]),
        ("catalog unalias ", [r"Antonín\ Dvořák"]),
        ("catalog label joh", [r"Johann\ Sebastian\ Bach"]),
        ("catalog label Bach pe", ["period=Romantic"]),
        ("catalog files --label p", ["period=Romantic"]),
        ("train --condition composer,p", ["composer,period"]),
        ("catalog show 3", ["3"]),
        ("catalog show piece\\ 2", [r"Piece\ 2"]),
        ("catalog rejected --code c", ["corrupt"]),
        ("sample --run g", ["gpt-1"]),
        ("export --run f", ["first-try"]),
        ("export --run b", [*MODELS]),
        ("runs show g", ["gpt-1"]),
        ("runs compare gpt-1 f", ["first-try"]),
        ("train --resume g", ["gpt-1"]),
        ("train --from g", ["gpt-1"]),
        ("train --arch con", ["conformer"]),
        ("train --tokenizer pi", ["pianoroll"]),
        ("tokenize ev", ["events"]),
        ("train --size t", ["tiny"]),
        ("train --preset seed-00", [f"seed-00{number}" for number in range(5)]),
        ("train --set wei", ["weight_decay="]),
        ("train --set data.bal", ["data.balance="]),
        ("train --device c", ["cpu", "cuda"]),
        ("train --export onnx,t", ["onnx,torchscript"]),
        ("sample --runtime to", ["torch", "torchscript"]),
        ("catalog files --split v", ["valid"]),
        ("catalog files --status a", ["accepted"]),
        ("catalog files --composer nobody", []),
    ],
)
def test_values_are_completed(complete: Complete, line: str, expected: list[str]) -> None:
    assert complete(*re.split(r"(?<!\\) ", line)) == expected


def test_every_offer_of_a_kind_is_completed(complete: Complete) -> None:
    assert set(complete("train", "--arch", "")) >= {"conformer", "gpt", "relative", "roll"}
    assert set(complete("sample", "--runtime", "")) == {"onnx", "torch", "torchscript"}
    assert complete("sample", "--sampler", "zzz") == []


def test_the_catalog_of_the_command_line_is_used(complete: Complete, folder: Path) -> None:
    (folder / "catalog.db").rename(folder / "other.db")
    assert complete("sample", "--composer", "dv") == []
    named = ("--catalog", f"sqlite:///{folder}/other.db")
    assert complete(*named, "sample", "--composer", "dvora") == ["Dvořák", "Dvorak"]


def test_nothing_is_created_or_said_where_there_is_no_catalog(
    complete: Complete, folder: Path
) -> None:
    (folder / "catalog.db").unlink()
    for words in (("evaluate", "x.mid", "--composer", ""), ("catalog", "label", "")):
        assert complete(*words) == []
    assert list(folder.iterdir()) == []
    (folder / "catalog.db").write_bytes(b"not a database" * 100)
    assert complete("sample", "--composer", "") == []
    assert [path.name for path in folder.iterdir()] == ["catalog.db"]


def test_without_a_catalog_names_are_those_of_the_built_in_model(
    complete: Complete, folder: Path
) -> None:
    (folder / "catalog.db").unlink()
    assert complete("runs", "show", "") == [*MODELS]
    assert complete("sample", "--composer", "Bach:0.6,cho") == ["Bach:0.6,Chopin"]
    assert complete("sample", "--label", "period=ba") == ["period=Baroque"]


def test_a_catalog_is_read_and_left_as_it_is(complete: Complete, folder: Path) -> None:
    before = (folder / "catalog.db").read_bytes()
    assert complete("sample", "--composer", "dvořák") == ["Dvořák"]
    assert [path.name for path in folder.iterdir()] == ["catalog.db"]
    assert (folder / "catalog.db").read_bytes() == before


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_shell_gets_names_without_loading_torch(folder: Path, shell: str) -> None:
    line = "musictk sample --composer j"
    env = {**os.environ, "_MUSICTK_COMPLETE": f"complete_{shell}", "COMP_CWORD": "3"}
    env |= {"COMP_WORDS": line, "_TYPER_COMPLETE_ARGS": line, "PYTHONPATH": ":".join(sys.path)}
    env |= {"_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        cwd=folder,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Sebastian" in done.stdout
    assert done.stderr.strip() == "False"
