"""Where the settings of `train` come from, and which of them win."""

from __future__ import annotations

from pathlib import Path

import pytest

from musictk.catalog import Catalog
from tests.cli.shell import Shell

Capture = pytest.CaptureFixture[str]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--steps", "9"), "--steps"),
        (("--arch", "gpt"), "--arch"),
        (("--set", "lr=1"), "--set"),
        (("--from", "conformer-1"), "--from"),
    ],
)
def test_resume_takes_no_settings(
    trained: Shell, capsys: Capture, words: tuple[str, ...], named: str
) -> None:
    code, _, error = trained.here(capsys, "train", "--resume", "conformer-1", *words)
    assert code == 2
    assert named in error
    assert "fine-tune" in error
    assert len(error.splitlines()) == 1


def test_an_error_names_where_the_setting_was_given(
    trained: Shell, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, _, error = trained.here(capsys, "train", "--set", "clipp=1")
    assert "no setting 'clipp' (from --set)" in error
    monkeypatch.setenv("MUSICTK_TRAIN_SET", "clipp=1")
    _, _, error = trained.here(capsys, "train")
    assert "no setting 'clipp' (from MUSICTK_TRAIN_SET)" in error
    monkeypatch.delenv("MUSICTK_TRAIN_SET")
    Catalog.open(f"sqlite:///{tmp_path}/catalog.db", tmp_path).close()
    (tmp_path / "musictk.toml").write_text('[train]\nset = ["clipp=1"]\n')
    _, _, error = Shell(tmp_path).here(capsys, "train")
    assert "no setting 'clipp' (from musictk.toml)" in error
    _, _, error = trained.here(capsys, "train", "--from", "conformer-1", "--preset", "seed-001")
    assert "leave out arch=gpt (preset seed-001)" in error


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--size", "huge"), "no size 'huge'; choose from: base, large, small, tiny"),
        (("--set", "train.length=9000"), "train.length=9000 is more than model.max_length=8192"),
        (("--set", "sample.metre=9/7"), "this model has no metre 9/7"),
        (("--set", "sample.programs=kazoo"), "no instrument 'kazoo'"),
        (("--set", "sample.programs=piano"), "this model writes no instruments"),
    ],
)
def test_what_would_fail_later_is_refused(
    trained: Shell, capsys: Capture, words: tuple[str, ...], says: str
) -> None:
    code, _, error = trained.here(capsys, "train", "--scratch", *words)
    assert code == 2
    assert says in error
    assert len(error.splitlines()) == 1


def test_steps_and_epochs_of_one_place_conflict(
    trained: Shell, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    code, _, error = trained.here(capsys, "train", "--steps", "3", "--epochs", "2")
    assert code == 2
    assert "--steps cannot be combined with --epochs" in error
    monkeypatch.setenv("MUSICTK_TRAIN_STEPS", "3")
    _, _, error = trained.here(capsys, "train", "--epochs", "0")
    assert "epochs=0 must be above 0 (from --epochs)" in error
