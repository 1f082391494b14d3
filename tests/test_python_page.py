"""The programs of docs/python.md run as printed, in their order, beside some music."""

from __future__ import annotations

import re
import runpy
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import numpy as np
import pytest

from musictk.errors import MusictkError, UsageError
from musictk.jobs.project import Project

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "python.md").read_text("utf-8")
# What needs more music than there is here is marked as a fragment, and is tested on its own.
PROGRAMS = re.findall(r"```python\n(?!# fragment)(.*?)```", PAGE, re.S)
MIDIS = ROOT / "examples" / "midis"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for composer in ("Bach", "Chopin", "Satie"):
        shutil.copytree(MIDIS / composer, tmp_path / "midis" / composer)
    shutil.copy(MIDIS / "Satie" / "gymnopedie_3.mid", tmp_path / "mine.mid")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_programs_run_as_printed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    first = [line for line in PROGRAMS[0].splitlines() if line.strip()]
    assert len(first) <= 15
    for number, program in enumerate(PROGRAMS, 1):
        page = folder / f"program-{number}.py"
        page.write_text(program, "utf-8")
        runpy.run_path(str(page))
    written = {path.name for path in folder.glob("*.mid")} - {"mine.mid"}
    names = ["out", "mixed", "waltz", "continued", "answered", "again", "fast", "form", "other"]
    names += ["bass", "hand", "below", "planned", "denser", "sketch", "first", "second", "third"]
    names += [f"takes-{n}" for n in (1, 2, 3)] + [f"filled-{n}" for n in (1, 2, 3, 4)]
    assert written == {f"{name}.mid" for name in names}
    assert (folder / "again.mid").read_bytes() == (folder / "takes-1.mid").read_bytes()
    assert (folder / "out.png").stat().st_size > 1000
    assert (folder / "out.wav").stat().st_size > 100_000
    printed = capsys.readouterr().out
    assert "takes-1.mid" in printed
    assert {path.name for path in (folder / "music").iterdir()} >= {"catalog.db", "runs", "exports"}
    assert "uses the built-in model: no catalog" in printed
    assert "2 of 2 bars, section B" in printed
    assert not (folder / "catalog.db").exists()
    assert not (folder / "sketches").exists()
    assert (folder / "first.mid").read_bytes() == (folder / "second.mid").read_bytes()


def test_only_ingest_creates_a_project(tmp_path: Path) -> None:
    project = Project(tmp_path / "new")
    methods = project.train, partial(project.repeat, 1), partial(project.recompose, 1, "A")
    for method in methods:
        with pytest.raises(MusictkError, match=r"catalog\.db") as error:
            method()
        assert "ingest" in error.value.hint
    (made,) = project.sample(tmp_path / "out.mid", bars=1, seed=1).made
    assert (made.source, made.id) == ("built-in", None)
    assert not (tmp_path / "new").exists()
    assert project.ingest(MIDIS / "Satie").accepted > 0
    assert (tmp_path / "new" / "catalog.db").exists()
    project.close()


def test_a_wrong_setting_is_named(tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        project.ingest(MIDIS / "Satie")
        with pytest.raises(MusictkError, match="no setting 'stpes'"):
            project.train(stpes=3)
        with pytest.raises(MusictkError, match="'gpz'"):
            project.train(arch="gpz")
        with pytest.raises(MusictkError, match="run 'mine'"):
            project.sample(run="mine")
        wrong_types: list[dict[str, Any]] = [{"seed": 1.5}, {"bars": 1.5}, {"seed": True}]
        for wrong in wrong_types:
            with pytest.raises(MusictkError, match="must be a whole number"):
                project.sample(tmp_path / "out.mid", run="built-in", **wrong)


def test_a_value_of_another_type_is_named(tmp_path: Path) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({"temperature": "hot"}, "temperature='hot' is not valid; give: number"),
        ({"count": 1.5}, "count=1.5 must be a whole number"),
        ({"form": 3}, "form=3 must be text"),
        ({"controls": [3]}, "control 3 is not WHERE: NAME=VALUE"),
        ({"controls": 3}, "control 3 is not WHERE: NAME=VALUE"),
        ({"composer": 3}, "labels.composer=3 must be text"),
        ({"labels": {"period": 3}}, "labels.period=3 must be text"),
        ({"original": "maybe"}, "original='maybe' must be true or false"),
        ({"samplers": "repetition"}, "samplers='repetition' must be a list"),
        ({"samplers": [("repetition", 3)]}, "samplers.0.1=3 must be a mapping"),
        ({"options": {}}, "no setting of sample 'options'"),
    ]
    with Project(tmp_path) as project:
        for options, message in wrong:
            with pytest.raises(UsageError, match=message) as error:
                project.sample(**options)
            assert "\n" not in str(error.value)
        with pytest.raises(UsageError, match="no setting of ingest 'threads'"):
            project.ingest(tmp_path, threads=2)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda project: project.train(model="large"), "model='large' is not a table of settings"),
        (lambda project: project.train(steps=1, minutes=1), "steps and minutes cannot be combined"),
        (lambda project: project.sample(labels="period=Baroque"), "is not a mapping of categories"),
        (lambda project: project.sample(run=3), "the run 3 is not text"),
        (lambda project: project.train(start=3), "the start 3 is not text"),
        (lambda project: project.train(config=3), "the config 3 is not text"),
        (lambda project: project.resume(7), "the run 7 is not text"),
        (lambda project: project.evaluate(3), "the file 3 is not text"),
        (lambda project: project.attribute(3), "the file 3 is not text"),
        (lambda project: project.originality(3), "the file 3 is not text"),
        (lambda project: project.sample(3), "the out 3 is not text"),
        (lambda project: project.sample(bundle=3), "the bundle 3 is not text"),
        (lambda project: project.repeat(1, out=5), "the out 5 is not text"),
        (lambda project: project.repeat("1"), "sample_id='1' is not a whole number"),
        (lambda project: project.recompose(1, 2), "the section 2 is not text"),
        (lambda project: project.recompose(1, "B", count=None), "count=None is not a whole"),
        (lambda project: project.human_baseline("9"), "notes='9' is not a whole number"),
        (lambda project: project.export("onnx", run=7), "the run 7 is not text"),
        (lambda project: type(project)(3), "the root 3 is not text"),
        (lambda project: project.compare(["gpt-1"]), r"the run \['gpt-1'\] is not text"),
        (lambda project: project.export(["onnx"]), "the kind of export .* is not text"),
        (lambda project: project.ingest(["midis"]), "the path .* is not text"),
        (lambda project: project.sample(programs=["piano"]), "such as piano,violin"),
    ],
)
def test_an_argument_of_another_type_is_named(
    tmp_path: Path, call: Callable[[Project], Any], message: str
) -> None:
    (tmp_path / "midis").mkdir()
    with Project(tmp_path) as project:
        project.ingest(tmp_path / "midis")
        with pytest.raises(UsageError, match=message) as error:
            call(project)
        assert error.value.hint


def test_a_project_in_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "mine.mid").write_bytes(b"MThd")
    with (
        Project(tmp_path / "mine.mid") as project,
        pytest.raises(MusictkError, match=r"cannot create the folder .*mine\.mid"),
    ):
        project.ingest(tmp_path)


def test_a_track_may_be_a_number(tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        project.ingest(MIDIS / "Satie")
        given = MIDIS / "Bach" / "petzold_menuet_anh114.mid"
        asked: dict[str, Any] = {"run": "built-in", "infill": given, "bars": "2", "seed": 1}
        wanted = (1, "1", np.int64(1))
        made = [project.sample(tmp_path / "out.mid", track=one, **asked) for one in wanted]
        one, *others = (batch.made[0].composition.sequence.tolist() for batch in made)
        assert others == [one, one]


def test_music_may_be_any_path(tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        given = PurePath(MIDIS / "Satie" / "gymnopedie_3.mid")
        batch = project.sample(tmp_path / "out.mid", prompt=given, bars=1, seed=1)
        assert batch.made[0].path == tmp_path / "out.mid"


def test_a_control_that_is_no_text_of_one_is_named(tmp_path: Path) -> None:
    with Project(tmp_path) as project:
        project.ingest(MIDIS / "Satie")
        with pytest.raises(MusictkError, match="control 'E minor' is not") as error:
            project.sample(controls=["E minor"])
    assert "key=E minor" in error.value.hint
