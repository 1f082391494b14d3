"""A model opens without the plugin of one of its controls, and says what it cannot follow."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from musictk.model.manifest import MANIFEST
from musictk.plugin import registry
from tests.cli.shell import Shell

LOUDNESS = Path(__file__).parents[2] / "examples" / "musictk-loudness" / "musictk_loudness"
SMALL = ("--set", "dim=32", "--set", "heads=2", "--set", "length=64", "--set", "batch=2")
TRAIN = ("train", "--tokenizer", "events", "--controls", "loudness,density", "--steps", "1")
MISSING = (
    "control 'loudness' of plugin loudness (musictk-loudness 1.0) is not installed"
    " and cannot be followed"
)
SAMPLE = ("sample", "--bars", "1", "--seed", "3")


@contextmanager
def installed(folder: Path) -> Iterator[None]:
    """With the plugin of the example as an installed distribution."""
    info = folder / "musictk_loudness-1.0.dist-info"
    info.mkdir(parents=True)
    shutil.copytree(LOUDNESS, folder / "musictk_loudness")
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: musictk-loudness\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[musictk]\nloudness = musictk_loudness\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        known = os.environ.get("PYTHONPATH")  # for new interpreters
        patch.setenv("PYTHONPATH", os.pathsep.join([str(folder), *([known] if known else [])]))
        registry.cache_clear()
        try:
            yield
        finally:
            for name in [name for name in sys.modules if name.startswith("musictk_loudness")]:
                del sys.modules[name]
            registry.cache_clear()


@pytest.fixture(scope="module")
def exported(trained: Shell, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a run that was trained, and exported, with the plugin."""
    folder = tmp_path_factory.mktemp("loud")
    shutil.copytree(trained.directory, folder / "work")
    with installed(folder / "site"):
        shell = Shell(folder / "work")
        shell.fresh(*TRAIN, "--name", "loud", *SMALL)
        shell.fresh("export", "--run", "loud", "--onnx")
    return folder / "work"


@pytest.fixture
def loud(exported: Path, tmp_path: Path) -> Shell:
    """A copy of it, without the plugin."""
    shutil.copytree(exported, tmp_path / "loud")
    return Shell(tmp_path / "loud")


def test_a_model_samples_without_the_plugin_of_a_control(
    loud: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    files = [tmp_path / f"{name}.mid" for name in ("without", "export", "with", "repeated")]
    without, export, with_plugin, repeated = map(str, files)
    code, _, errors = loud.here(capsys, *SAMPLE, "-o", without)
    assert (code, errors.count(MISSING)) == (0, 1)
    code, _, errors = loud.here(capsys, *SAMPLE, "--runtime", "onnx", "-o", export)
    assert (code, errors.count(MISSING)) == (0, 1)
    wanted = ("--control", "density=2")
    assert loud.here(capsys, *SAMPLE, *wanted, "-o", str(tmp_path / "dense.mid"))[0] == 0
    with installed(tmp_path / "again"):
        code, _, errors = loud.here(capsys, *SAMPLE, "-o", with_plugin)
        assert (code, errors.count(MISSING)) == (0, 0)
    code, _, errors = loud.here(capsys, "sample", "--like", "1", "-o", repeated)
    assert (code, errors.count(MISSING)) == (0, 1)
    assert files[0].read_bytes() == files[2].read_bytes() == files[3].read_bytes()


def test_the_control_itself_is_an_error_that_names_the_plugin(
    loud: Shell, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, errors = loud.here(capsys, *SAMPLE, "--control", "loudness=ff")
    assert code == 2
    assert "control 'loudness' is of plugin loudness (musictk-loudness 1.0)" in errors
    code, _, errors = loud.here(capsys, *SAMPLE, "--control", "volume=ff")
    assert code == 2
    assert "it has: density" in errors


def test_training_further_needs_the_plugin(loud: Shell, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, errors = loud.here(capsys, "train", "--from", "loud", "--steps", "1")
    assert code == 1
    assert f"{MISSING}; install the plugin" in errors


def test_an_export_made_without_the_plugin_keeps_the_control(
    loud: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bundles = sorted(loud.directory.rglob(MANIFEST))
    before = [json.loads(path.read_text())["controls"] for path in bundles]
    code, _, errors = loud.here(capsys, "export", "--run", "loud", "--torchscript")
    assert code == 0, errors
    (added,) = set(loud.directory.rglob(MANIFEST)) - set(bundles)
    assert json.loads(added.read_text())["controls"] in before
    with installed(tmp_path / "again"):
        control = ("--control", "loudness=ff", "--bundle", str(added.parent))
        words = (*SAMPLE, *control, "--runtime", "torchscript")
        code, _, errors = loud.here(capsys, *words, "-o", str(tmp_path / "ff.mid"))
        assert (code, errors.count(MISSING)) == (0, 0)


def test_a_bundle_from_before_needs_the_plugin(
    loud: Shell, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (export,) = (each.parent for each in loud.directory.rglob("model.onnx"))
    old = tmp_path / "old"
    shutil.copytree(export, old)
    manifest = json.loads((old / MANIFEST).read_text())
    for control in manifest["controls"]:
        del control["features"], control["plugin"]
    (old / MANIFEST).write_text(json.dumps(manifest))
    sample = (*SAMPLE, "--bundle", str(old), "-o", str(tmp_path / "old.mid"))
    code, _, errors = loud.here(capsys, *sample)
    assert code == 2
    assert "no control 'loudness'" in errors
    with installed(tmp_path / "again"):
        assert loud.here(capsys, *sample)[0] == 0
