from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from musictk.training.schedule import rate
from musictk.training.settings import Schedule


def test_onecycle_is_pytorchs() -> None:
    steps = 50
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    oracle = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=1.0, total_steps=steps, pct_start=0.3, cycle_momentum=False
    )
    ours = Schedule(steps=steps, schedule="onecycle", warmup=0.3)
    theirs = []
    for _ in range(steps):
        theirs.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if len(theirs) < steps:
            oracle.step()
    assert [rate(ours, step) for step in range(steps)] == pytest.approx(theirs, abs=1e-6)


def test_cosine_rises_to_one_and_falls_to_final() -> None:
    schedule = Schedule(steps=100, warmup=0.1, final=0.05)
    rates = [rate(schedule, step) for step in range(100)]
    peak = rates.index(max(rates))
    assert rates[peak] == pytest.approx(1.0)
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] == pytest.approx(0.05)
    assert 0 < rates[0] < 0.2


@pytest.mark.parametrize("kind", ["cosine", "onecycle", "wsd"])
@pytest.mark.parametrize("steps", [1, 2, 3])
@pytest.mark.parametrize("warmup", [0.0, 0.5])
def test_few_steps_have_rates_too(kind: str, steps: int, warmup: float) -> None:
    schedule = Schedule(steps=steps, schedule=kind, warmup=warmup)  # type: ignore[arg-type]
    assert all(0 < rate(schedule, step) <= 1 for step in range(steps))


def test_wsd_stays_at_the_peak_and_falls_in_a_line() -> None:
    schedule = Schedule(steps=100, schedule="wsd", warmup=0.1, decay=0.4, final=0.2)
    rates = [rate(schedule, step) for step in range(100)]
    assert rates[:10] == sorted(set(rates[:10]))
    assert rates[10:61] == [1.0] * 51
    assert rates[80] == pytest.approx(0.6)
    falls = {round(one - other, 9) for one, other in pairwise(rates[60:])}
    assert falls == {0.02}
    assert rates[-1] == pytest.approx(0.22)


def test_wsd_without_a_plateau_falls_from_the_end_of_the_warm_up() -> None:
    schedule = Schedule(steps=100, schedule="wsd", warmup=0.1, decay=1.0, final=0.0)
    rates = [rate(schedule, step) for step in range(100)]
    assert rates[10] == 1.0
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.02


def test_wsd_without_a_decay_stays_at_the_peak() -> None:
    schedule = Schedule(steps=50, schedule="wsd", warmup=0.1, decay=0.0, final=0.0)
    assert [rate(schedule, step) for step in range(5, 50)] == [1.0] * 45
