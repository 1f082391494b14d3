"""The learning rate as a pure function of the step, so that resume needs no scheduler state."""

from __future__ import annotations

from math import cos, pi

from musictk.training.settings import Schedule

ONECYCLE_START, ONECYCLE_END = 1 / 25, 1 / 25e4  # PyTorch's `div_factor` and `final_div_factor`


def rate(schedule: Schedule, step: int) -> float:
    """The factor of `lr` at step `step` (from 0).

    Cosine: a linear warm-up, then half a cosine down to `final`. OneCycle (Smith & Topin 2019, as
    in PyTorch): half a cosine up from 1/25, then half a cosine down to 1/250,000. WSD (Hu et al.
    2024, arXiv 2404.06395): a linear warm-up, the peak, then a line down to `final` over the last
    `decay` of the steps, at most those after the warm-up.
    """
    at = schedule.planned(step)
    if schedule.schedule == "onecycle":
        peak = max(schedule.warmup * schedule.steps - 1, 0)
        if at < peak:
            return _ease(ONECYCLE_START, 1.0, at / peak)
        return _ease(1.0, ONECYCLE_END, _share(at, peak, schedule.steps))
    rising = schedule.warmup * schedule.steps
    if at < rising:
        return (at + 1) / (rising + 1)
    if schedule.schedule == "wsd":
        left = min((schedule.steps - at) / max(schedule.steps - _peak_end(schedule), 1), 1.0)
        return schedule.final + (1 - schedule.final) * left
    return _ease(1.0, schedule.final, _share(at, rising, schedule.steps))


def yet_to_fall(schedule: Schedule, step: int) -> bool:
    """Whether the rate of WSD is not yet falling at step `step` (from 0).

    Most of the improvement comes while it falls, so early stopping has to wait for that.
    """
    falls = schedule.schedule == "wsd" and schedule.decay > 0
    return falls and schedule.planned(step) <= _peak_end(schedule)


def _peak_end(schedule: Schedule) -> float:
    """The last step at which WSD has its peak rate."""
    return max((1 - schedule.decay) * schedule.steps, schedule.warmup * schedule.steps)


def _share(step: float, begin: float, steps: int) -> float:
    """The progress of `step` from `begin` (0) to the last step (1)."""
    return (step - begin) / max(steps - 1 - begin, 1)


def _ease(start: float, end: float, progress: float) -> float:
    """Half a cosine from `start` to `end`."""
    return end + (start - end) * (1 + cos(pi * min(progress, 1.0))) / 2
