"""`runs rename`, `runs note`, `runs rm`, and `train --name`."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from musictk.builtin import MODELS
from musictk.catalog import Catalog
from musictk.errors import MusictkError
from musictk.jobs import manage
from musictk.training.directory import lock
from musictk.workspace import Workspace
from tests.cli.shell import Shell

BRIEF = ["--steps", "1", "--set", "length=64", "--set", "batch=2", "--set", "tensorboard=false"]
GPT = ["--arch", "gpt", "--set", "dim=32", "--set", "depth=1", "--set", "heads=2", *BRIEF]


def text(shell: Shell, capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    """Run a command; its output, or the error of one that fails."""
    found, out, said = shell.here(capsys, *arguments)
    assert found == code, said
    return out if code == 0 else said


def test_a_run_has_the_name_that_is_given(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    out = text(shell, capsys, "train", *GPT, "--name", "bach_1.5-test")
    assert out.startswith("bach_1.5-test finished")
    assert (shell.directory / "runs" / "bach_1.5-test" / "best").is_dir()
    said = text(shell, capsys, "train", *GPT, "--name", "Bach_1.5-TEST", code=2)
    assert "'Bach_1.5-TEST' exists already; choose another name, such as" in said
    said = text(shell, capsys, "train", *GPT, "--name", "conformer-1", code=2)
    assert said == (
        "error: a run 'conformer-1' exists already; choose another name, such as conformer-2\n"
    )
    for wrong in ("../x", "a b", "-x", "", "nul", "x" * 101, ".x", "x.", "newest"):
        said = text(shell, capsys, "train", *GPT, f"--name={wrong}", code=2)
        assert "cannot name a run; use letters, digits, '-', '_' and '.'" in said
    assert "such as a-b" in text(shell, capsys, "train", *GPT, "--name", "a b", code=2)
    said = text(shell, capsys, "train", "--resume", "conformer-1", "--name", "x", code=2)
    assert "--resume cannot be combined with --name" in said
    (shell.directory / "runs" / "mine").mkdir()
    (shell.directory / "runs" / "mine" / "notes.txt").write_text("keep")
    said = text(shell, capsys, "train", *GPT, "--name", "mine", code=2)
    assert "runs/mine exists already" in said


def test_a_renamed_run_works_under_its_new_name(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    text(shell, capsys, "export", "--torchscript")
    text(shell, capsys, "sample", "--bars", "1", "--seed", "1", "-o", "a.mid")
    text(shell, capsys, "train", "--from", "conformer-1", *BRIEF)
    saved = saved_at(shell, capsys, "conformer-1")
    assert text(shell, capsys, "runs", "rename", "conformer-1", "first") == (
        "conformer-1 is now first\n"
    )
    runs, exports = (shell.directory / name for name in ("runs", "exports"))
    assert not (runs / "conformer-1").exists()
    assert (runs / "first" / "best" / "manifest.json").is_file()
    assert [path.name for path in exports.iterdir()] == ["first-torchscript"]
    text(shell, capsys, "sample", "--like", "1", "-o", "again.mid")
    first, again = ((shell.directory / name).read_bytes() for name in ("a.mid", "again.mid"))
    assert first == again
    assert saved_at(shell, capsys, "first") == saved
    sampled = ("sample", "--run", "first", "--bars", "1", "-o", "b.mid")
    text(shell, capsys, *sampled, "--runtime", "torchscript")
    found = json.loads(text(shell, capsys, "--json", "runs", "show", "conformer-2"))
    assert found["settings"]["start"] == "first"
    text(shell, capsys, "train", "--from", "conformer-2", *BRIEF)
    rows = json.loads(text(shell, capsys, "--json", "runs", "compare", "first", "conformer-2"))
    assert {row["run"] for row in rows} == {"first", "conformer-2"}
    said = text(shell, capsys, "train", "--resume", "first", code=2)
    assert "run 'first' is finished" in said
    said = text(shell, capsys, "runs", "rename", "conformer-2", "first", code=2)
    assert "a run 'first' exists already; choose another name, such as first-2" in said
    assert "no run 'conformer-1'" in text(
        shell, capsys, "runs", "rename", "conformer-1", "x", code=2
    )
    with lock(runs / "first"):
        said = text(shell, capsys, "runs", "rename", "first", "x", code=2)
        assert "run 'first' is training now; stop it first" in said


def saved_at(shell: Shell, capsys: pytest.CaptureFixture[str], run: str) -> list[str]:
    """When each checkpoint of a run was saved."""
    found = json.loads(text(shell, capsys, "--json", "runs", "show", run))
    return [each["saved_at"] for each in found["checkpoints"]]


def test_a_note_is_listed(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    assert "note" not in text(shell, capsys, "runs", "list")
    text(shell, capsys, "runs", "note", "conformer-1", "für die Präsentation")
    assert "für die Präsentation" in text(shell, capsys, "runs", "list")
    assert "für die Präsentation" in text(shell, capsys, "runs", "show", "conformer-1")
    text(shell, capsys, "runs", "note", "conformer-1", "")
    assert "note" not in text(shell, capsys, "runs", "list")


def test_a_removed_run_frees_its_files(shell: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    text(shell, capsys, "export", "--torchscript")
    text(shell, capsys, "sample", "--bars", "1", "-o", "kept.mid")
    text(shell, capsys, "train", "--from", "conformer-1", *BRIEF)
    text(shell, capsys, "train", *GPT, "--tokenizer", "events")
    said = text(shell, capsys, "runs", "rm", "conformer-1", code=2)
    assert "run 'conformer-2' was fine-tuned from 'conformer-1' and needs it" in said
    assert "musictk runs rm conformer-1 conformer-2" in said
    with lock(shell.directory / "runs" / "gpt-1"):
        said = text(shell, capsys, "runs", "rm", "gpt-1", code=2)
        assert "run 'gpt-1' is training now" in said
    shards = sorted((shell.directory / "shards").iterdir())
    out = text(shell, capsys, "runs", "rm", "conformer-1", "conformer-2", "--yes")
    assert "removed conformer-1: " in out
    assert "MiB" in out
    assert "exports/conformer-1-torchscript" in out
    assert "keeps 1 generated file, which cannot be repeated" in out
    assert (shell.directory / "kept.mid").is_file()
    assert [path.name for path in (shell.directory / "runs").iterdir()] == ["gpt-1"]
    assert not list((shell.directory / "exports").iterdir())
    left = sorted((shell.directory / "shards").iterdir())
    assert 0 < len(left) < len(shards)
    with Catalog.open(f"sqlite:///{shell.directory}/catalog.db", shell.directory) as catalog:
        known = {Path(row.path).stem for row in catalog.shards()}
    assert {path.name.split(".")[0] for path in left} == known  # also of the tables beside shards
    text(shell, capsys, "catalog", "check")
    text(shell, capsys, "train", *GPT, "--steps", "2")
    found = json.loads(text(shell, capsys, "--json", "runs", "list"))
    assert [row["name"] for row in found] == [*MODELS, "gpt-1", "gpt-2"]


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals")
def test_a_removal_is_confirmed_on_a_terminal(shell: Shell) -> None:
    for answer, code in ((b"n\n", 1), (b"y\n", 0)):
        master, terminal = os.openpty()
        os.write(master, answer)
        done = subprocess.run(
            [sys.executable, "-m", "musictk", "runs", "rm", "conformer-1"],
            cwd=shell.directory,
            stdin=terminal,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        os.close(terminal)
        os.close(master)
        assert done.returncode == code, done.stderr
        assert "to remove: conformer-1: " in done.stderr
        assert (shell.directory / "runs" / "conformer-1").exists() == (code == 1)


def test_a_removal_without_a_terminal_needs_yes(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    said = text(shell, capsys, "runs", "rm", "conformer-1", code=2)
    assert "needs a terminal; add --yes" in said
    assert (shell.directory / "runs" / "conformer-1").exists()


def test_a_run_without_its_folder_can_be_removed(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.rmtree(shell.directory / "runs" / "conformer-1")
    text(shell, capsys, "runs", "rename", "conformer-1", "lost")
    assert text(shell, capsys, "runs", "rm", "lost", "--yes").startswith("removed lost: ")
    rows = json.loads(text(shell, capsys, "--json", "runs", "list"))
    assert [row["name"] for row in rows] == [*MODELS]


def test_a_folder_elsewhere_is_not_removed(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = shell.directory / "runs" / "conformer-1"
    folder.rename(shell.directory / "elsewhere")
    folder.symlink_to("../elsewhere", target_is_directory=True)
    said = text(shell, capsys, "runs", "rm", "conformer-1", "--yes", code=1)
    assert "is not a folder of runs/ or exports/" in said
    assert (shell.directory / "elsewhere" / "best").exists()


class StoppedError(Exception):
    """The process is killed here."""


@pytest.mark.parametrize("at", range(1, 9))
def test_a_killed_change_is_completed_or_undone(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """Whatever rename or removal of a file is the last: the run is complete under one name."""
    workspace = Workspace(shell.directory)
    count = 0

    def dying(method: str) -> None:
        real = getattr(Path, method)

        def call(path: Path, *arguments: object, **options: object) -> object:
            nonlocal count
            count += 1
            if count >= at:
                raise StoppedError  # and everything after it: nothing is restored
            return real(path, *arguments, **options)

        monkeypatch.setattr(Path, method, call)

    with Catalog.open(workspace.catalog_url, workspace.root) as catalog:
        catalog.add_export("conformer-1", "onnx", "exports/conformer-1-onnx", {})
        (workspace.exports / "conformer-1-onnx").mkdir(parents=True)
        shards = list(catalog.run("conformer-1").settings["shards"].values())
        for change in ("rename", "remove"):
            (name,) = [run.name for run in catalog.runs()]
            count = 0
            with monkeypatch.context():
                for method in ("rename", "unlink", "replace", "symlink_to"):
                    dying(method)
                try:
                    if change == "rename":
                        manage.rename(catalog, workspace, name, "other")
                    else:
                        manage.remove(catalog, workspace, [name])
                except (StoppedError, MusictkError):
                    pass
                monkeypatch.undo()
            manage.finish_changes(catalog, workspace)
            names = [run.name for run in catalog.runs()]
            assert [path.name for path in workspace.runs.iterdir()] == names
            assert [path.name for path in workspace.exports.iterdir()] == [
                f"{each}-onnx" for each in names
            ]
            assert all(workspace.resolve(path).exists() for path in shards) == bool(names)
            for each in names:
                assert workspace.resolve(catalog.checkpoint(each).path).is_dir()
                assert not (workspace.runs / each).is_symlink()
            if not names:
                return


def test_the_list_marks_losses_that_are_not_comparable(
    shell: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    text(shell, capsys, "train", *GPT, "--name", "same")
    text(shell, capsys, "train", *GPT, "--tokenizer", "events", "--name", "other-tokenizer")
    (shell.directory / "midis" / "Satie" / "gymnopedie_3.mid").unlink()
    text(shell, capsys, "ingest", "midis")
    text(shell, capsys, "catalog", "split", "--valid", "0.4")
    text(shell, capsys, "train", *GPT, "--name", "other-pieces")
    code, out, said = shell.here(capsys, "runs", "list")
    assert code == 0
    head, *lines = (line.split() for line in out.splitlines())
    column = head.index("validation")
    numbers = {line[0]: line[column + (line[1] == "built")] for line in lines}  # "built in"
    assert numbers["built-in"] == numbers["built-in-conformer"]
    assert numbers["conformer-1"] == numbers["same"]
    others = ("built-in", "same", "other-tokenizer", "other-pieces")
    assert len({numbers[name] for name in others}) == 4
    assert "nll is not comparable between different numbers under validation" in said
    rows = {row["name"]: row for row in json.loads(text(shell, capsys, "--json", "runs", "list"))}
    assert rows["same"]["validation"] == rows["conformer-1"]["validation"]
    assert rows["same"]["validation"].startswith("remi-")
    with sqlite3.connect(shell.directory / "catalog.db") as database:  # stopped before its first
        lost = "UPDATE runs SET metrics = json_remove(metrics, '$.best_nll') WHERE name = ?"
        database.executemany(lost, [("other-pieces",), ("other-tokenizer",)])
    code, out, said = shell.here(capsys, "runs", "list")
    numbers = {
        line[0]: line[column + (line[1] == "built")] for line in map(str.split, out.splitlines())
    }
    assert (numbers["built-in"], numbers["same"]) == ("1", "2")
    assert "nll is not comparable" not in said  # of one's own runs, all with a loss are


def test_the_list_has_no_numbers_where_all_losses_are_comparable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, said = Shell(tmp_path).here(capsys, "runs", "list")
    assert code == 0
    assert "built-in-conformer" in out
    assert "validation" not in out + said
    assert "note" not in out
