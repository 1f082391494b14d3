"""What a run remembers of itself, and when it has diverged."""

from __future__ import annotations

from dataclasses import asdict
from math import inf, nan

import pytest

from musictk.errors import MusictkError
from musictk.training.progress import MOST_SKIPPED, Progress, stored_settings
from musictk.training.settings import TrainSettings


def test_a_score_that_is_not_finite_is_never_the_best() -> None:
    progress = Progress(step=1)
    assert [progress.scored(nll) for nll in (nan, inf, 3.0, nan, 2.5, -inf)] == [
        False, False, True, False, True, False,
    ]  # fmt: skip
    assert (progress.best_nll, progress.stale) == (2.5, 1)


def test_only_skipped_updates_in_a_row_are_a_divergence() -> None:
    progress = Progress()
    for _ in range(MOST_SKIPPED - 1):
        progress.updated(finite=False)
    assert not progress.diverged(2.0, finished=False)
    progress.updated(finite=True)
    progress.updated(finite=False)
    assert not progress.diverged(2.0, finished=False)
    for _ in range(MOST_SKIPPED - 1):
        progress.updated(finite=False)
    assert f"last {MOST_SKIPPED} steps" in progress.diverged(2.0, finished=False)


@pytest.mark.parametrize(
    ("skipped", "nll", "final", "diverged"),
    [
        (0, None, True, False),
        (4, None, True, False),
        (5, None, True, True),
        (5, None, False, False),
        (0, nan, False, True),
        (0, inf, False, True),
    ],
)
def test_a_run_diverges_by_skipped_updates_or_validation(
    skipped: int, nll: float | None, final: bool, diverged: bool
) -> None:
    assert bool(Progress(step=10, skipped=skipped).diverged(nll, final)) is diverged


def test_files_of_older_versions_are_read() -> None:
    values = asdict(Progress(step=7, best_nll=nan))
    del values["skipped_in_row"]
    assert Progress.read(values) == Progress(step=7, best_nll=None)
    settings = TrainSettings().but(lr=0.5).flat()
    del settings["keep_checkpoints"]
    assert stored_settings(settings) == TrainSettings().but(lr=0.5)


def test_files_of_a_newer_version_are_an_error() -> None:
    with pytest.raises(MusictkError, match=r"a newer musictk .* \(moon\); upgrade musictk"):
        Progress.read({"step": 7, "moon": 1})
    with pytest.raises(MusictkError, match=r"a newer musictk .* \(setting moon\); upgrade musictk"):
        stored_settings(TrainSettings().flat() | {"moon": 1})
