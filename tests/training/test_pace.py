"""The time of a run: how many steps fit into it, and what happens if the speed changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import product

import pytest

from musictk.training.auto import intervals
from musictk.training.pace import Pace, Pacer
from musictk.training.schedule import rate
from musictk.training.settings import Schedule, TrainSettings

PACES = [Pace(0.1), Pace(0.05, 4.0, 1.0), Pace(2.0, 30.0, 5.0), Pace(0.001, 0.01, 0.1)]
Speed = Callable[[float], float]  # share of the time that is over -> how slow the machine is


def _planned(pace: Pace, seconds: float) -> TrainSettings:
    steps = pace.steps(seconds)
    return TrainSettings().but(steps=steps, **intervals(steps, pace.rounds(seconds)))


@pytest.mark.parametrize("pace", PACES)
def test_a_plan_takes_the_time_it_is_given(pace: Pace) -> None:
    for minutes in (10, 20, 120):
        settings = _planned(pace, 60 * minutes)
        assert pace.seconds(settings) == pytest.approx(60 * minutes, rel=0.1)
        # What is left of it is the same, counted from any step.
        half = settings.schedule.steps // 2
        done = half * pace.step + half // settings.loop.evaluate_every * pace.round
        assert pace.seconds(settings, half) + done == pytest.approx(pace.seconds(settings))


def _run(pace: Pace, seconds: float, slow: Speed) -> tuple[float, TrainSettings]:
    """How long a run takes on a machine of changing speed, and its settings at the end."""
    now = 0.0
    pacer = Pacer(seconds, pace, lambda: now)
    settings = _planned(pace, seconds)
    step, every = 0, settings.loop.evaluate_every
    while step < settings.schedule.end:
        factor = slow(now / seconds)
        step, now = step + 1, now + factor * pace.step
        pacer.stepped(factor * pace.step, step)
        if step % every == 0 or step == settings.schedule.end:
            now += factor * pace.round
            pacer.evaluated(factor * pace.evaluation)
            pacer.saved(factor * pace.checkpoint)
        if step < settings.schedule.end and pacer.due(step, settings):
            end = pacer.end(step, settings)
            if end != settings.schedule.end:
                pairs = (*settings.schedule.replanned, (step, end))
                settings = settings.but(replanned=pairs)
    return now, settings


@pytest.mark.parametrize("pace", PACES)
@pytest.mark.parametrize(
    "slow",
    [
        lambda time: 1.0,
        lambda time: 0.4,
        lambda time: 3.0,
        lambda time: 3.0 if time > 0.5 else 1.0,
        lambda time: 0.5 if time > 0.7 else 1.0,
        lambda time: 2.0 if int(20 * time) % 2 else 1.0,
    ],
)
def test_a_run_ends_in_time_whatever_the_machine_does(pace: Pace, slow: Speed) -> None:
    taken, settings = _run(pace, 20 * 60, slow)
    assert taken == pytest.approx(20 * 60, rel=0.1)
    assert len(settings.schedule.replanned) < 100
    assert TrainSettings().but(**settings.flat()) == settings


def test_the_rate_reaches_its_end_whenever_that_is() -> None:
    for end, schedule in product((60, 200), ("cosine", "onecycle")):
        plan = Schedule(steps=100, schedule=schedule)  # type: ignore[arg-type]
        moved = replace(plan, replanned=((50, end),))
        before = [rate(moved, step) for step in range(51)]
        assert before == [rate(plan, step) for step in range(51)]
        after = [rate(moved, step) for step in range(50, end)]
        assert after == sorted(after, reverse=True)
        assert after[-1] == pytest.approx(rate(plan, 99), abs=0.01)
        assert moved.end == end
    assert Schedule(steps=7).end == 7


@pytest.mark.parametrize("end", [60, 200])
def test_a_line_falls_over_what_is_left_of_the_changed_run(end: int) -> None:
    plan = Schedule(steps=100, schedule="wsd", decay=0.5, final=0.0)
    moved = replace(plan, replanned=((50, end),))
    falling = [rate(moved, step) for step in range(50, end)]
    left = end - 50
    assert falling == pytest.approx([(left - step) / left for step in range(left)])


def test_changes_of_the_end_are_in_order() -> None:
    for pairs in ([[5, 4]], [[5, 9], [5, 8]], [[0, 9]], [[6, 9], [5, 9]]):
        with pytest.raises(Exception, match="increasing steps"):
            TrainSettings().but(replanned=pairs)
    assert TrainSettings().but(replanned=[[5, 9], [7, 8]]).schedule.end == 8
