"""Workspaces made by earlier versions still open, and do everything a new one does.

`tests/data/workspaces/VERSION.tar.xz` holds nine pieces of `examples/midis`, three finished runs
(`gpt-1` over remi, `conformer-1` over events, `roll-1` over pianoroll), one that was interrupted
(`gpt-2`), an ONNX export of `gpt-1` and a sample of it.
"""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from tests.cli.shell import Shell

WORKSPACES = sorted((Path(__file__).parent / "data" / "workspaces").glob("*.tar.xz"))


@pytest.fixture(params=WORKSPACES, ids=lambda path: path.name.removesuffix(".tar.xz"))
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    with tarfile.open(request.param) as archive:
        for member in archive:
            path = tmp_path / member.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if member.issym():
                path.symlink_to(member.linkname)
            elif (stream := archive.extractfile(member)) is not None:
                path.write_bytes(stream.read())
    return Shell(tmp_path)


def test_the_catalog_opens_and_takes_its_files_again(shell: Shell) -> None:
    before = {row["path"]: row["split"] for row in shell.json("catalog", "files")}
    assert len(before) == 9
    shell("ingest", "./midis")
    assert {row["path"]: row["split"] for row in shell.json("catalog", "files")} == before
    shell("catalog", "check")


def test_its_runs_sample_and_export(shell: Shell) -> None:
    assert len(shell.runs()) == 4
    for run in ("gpt-1", "conformer-1", "roll-1"):
        shell("sample", "--run", run, "--bars", "2", "--seed", "3", "-o", f"{run}.mid")
        assert (shell.directory / f"{run}.mid").stat().st_size > 50
    shell("sample", "--run", "gpt-1", "--runtime", "onnx", "--bars", "1", "-o", "onnx.mid")
    shell("sample", "--like", "1", "-o", "again.mid")
    shell("export", "--run", "gpt-1", "--torchscript")


def test_its_interrupted_run_is_resumed_and_its_runs_are_fine_tuned(shell: Shell) -> None:
    shell("train", "--resume", "gpt-2")
    status = {row["name"]: row["status"] for row in shell.json("runs", "list")}
    assert status["gpt-2"] == "finished"
    shell("train", "--from", "gpt-1", "--steps", "3")
    shell("runs", "compare")


def test_its_runs_say_that_they_cannot_write_between_bars(shell: Shell) -> None:
    given = sorted((shell.directory / "midis").rglob("*.mid"))[0]
    for run in ("gpt-1", "conformer-1", "roll-1"):
        asked = ("sample", "--run", run, "--infill", str(given), "-o", "out.mid")
        done = shell(*asked, "--bars", "3-4", code=2)
        assert "this model was not trained to write between given bars" in done.stderr
        assert done.stderr.splitlines()[-1].startswith("error: ")
