from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from musictk.training.auto import ChosenSettings, Machine, Paces, choose, choose_settings
from musictk.training.pace import Pace
from musictk.training.settings import TrainSettings

LAPTOP, SERVER = Machine("cpu", 2), Machine("cpu", 128)
GPU, SMALL_GPU = Machine("cuda", 16, 80 << 30), Machine("cuda", 16, 8 << 30)
SIZES = {"tiny": 1_700_000, "small": 9_000_000, "base": 71_000_000}


def _parameters(size: str | None) -> int:
    return SIZES[size or "tiny"]


def _positions(chosen: ChosenSettings) -> int:
    loop = TrainSettings().but(**chosen.train).loop
    return loop.batch * loop.accumulation * loop.length * int(chosen.train["steps"])


def test_two_cores_and_few_pieces_take_minutes() -> None:
    chosen = choose(LAPTOP, 130_000, _parameters)
    assert chosen.size == "tiny"
    seconds = 6 * SIZES["tiny"] * _positions(chosen) / (2 * 12e9)
    assert 60 < seconds < 180
    assert chosen == choose(LAPTOP, 130_000, _parameters)


def test_more_of_anything_is_used() -> None:
    assert choose(SERVER, 20_000_000, _parameters).size != "tiny"
    assert _positions(choose(LAPTOP, 1_000_000, _parameters)) > _positions(
        choose(LAPTOP, 130_000, _parameters)
    )
    big, small = (choose(machine, 30_000_000, _parameters) for machine in (GPU, SMALL_GPU))
    assert big.size == "base"
    assert big.train["batch"] > small.train["batch"] >= 1


def test_a_small_corpus_is_not_passed_over_for_ever() -> None:
    for machine in (SERVER, GPU):
        chosen = choose(machine, 10_000, _parameters)
        assert _positions(chosen) <= max(20 * 10_000 * 1.1, 100 * 2048 * chosen.train["batch"])


def test_a_pass_over_short_pieces_takes_as_many_windows_as_they_do() -> None:
    """1,000 pieces of 100 positions: a window holds one of them, not the 20 that would fill it."""
    full, padded = (
        choose(GPU, 100_000, _parameters, None, {"length": 2048, "batch": 8}, rows)
        for rows in (None, lambda length: 1000)
    )
    assert full.train["steps"] == 20 * 100_000 // (8 * 2048) + 1
    assert padded.train["steps"] == 20 * 1000 // 8


def test_given_settings_are_kept() -> None:
    chosen = choose(LAPTOP, 130_000, _parameters, "small", {"length": 512, "batch": 8})
    assert chosen.size == "small"
    assert (chosen.train["batch"], chosen.train["length"]) == (8, 512)
    assert chosen.train["steps"] == 100  # the fewest there are
    assert choose(LAPTOP, 130_000, _parameters, None, {"steps": 7}).train["steps"] == 7


@pytest.mark.parametrize("arch", ["gpt", "conformer", "relative", "roll"])
def test_every_architecture_is_suited(arch: str) -> None:
    chosen = choose_settings(arch, 130_000, "cpu")
    assert chosen.size in SIZES
    TrainSettings().but(**chosen.train)


def _measured(speed: float) -> Paces:
    """Machines on which each size has so many FLOP/s, and an evaluation takes 2 s."""

    def pace(size: str, shape: Mapping[str, Any]) -> Pace:
        return Pace(6 * SIZES[size] * shape["batch"] * shape["length"] / speed, 2.0, 0.5)

    return pace


@pytest.mark.parametrize("speed", [1e9, 30e9, 2e12])
@pytest.mark.parametrize("minutes", [5, 20, 600])
def test_a_given_time_is_filled_with_the_largest_size_that_learns(
    speed: float, minutes: int
) -> None:
    paces, left = _measured(speed), lambda: 60.0 * minutes
    chosen = choose(LAPTOP, 130_000, _parameters, None, None, None, paces, left)
    settings = TrainSettings().but(**chosen.train)
    assert chosen.size is not None
    pace = paces(chosen.size, chosen.train)
    assert pace.seconds(settings) == pytest.approx(60 * minutes, rel=0.1)
    assert settings.schedule.patience == 0
    larger = {"tiny": "small", "small": "base"}.get(chosen.size)
    if larger:
        steps = paces(larger, chosen.train).steps(60 * minutes)
        assert steps * settings.loop.batch * settings.loop.length < SIZES[larger]
    if chosen.size != "tiny":
        assert _positions(chosen) >= SIZES[chosen.size]


def test_without_a_given_time_the_measured_speed_fits_the_budget() -> None:
    slow, fast = (
        choose(LAPTOP, 130_000, _parameters, None, None, None, _measured(speed))
        for speed in (60e9, 60e12)
    )
    assert slow.seconds == 120
    pace = _measured(60e9)("tiny", slow.train)
    assert pace.seconds(TrainSettings().but(**slow.train)) == pytest.approx(120, rel=0.1)
    assert fast.seconds is None  # the passes over the corpus end it first
    assert _positions(fast) <= 20 * 130_000 * 1.01
