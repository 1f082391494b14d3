"""Notices of what is written instead of the controls and options that were chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from musictk.controls import Controls
from musictk.generation.chosen_controls import (
    ChosenControl,
    approximations,
    simplifications,
)
from musictk.generation.form import Form
from musictk.jobs.samples import SampleListener
from musictk.tokens import Tokenizer

_OF_RETURNS = ("variation", "blend", "ramp", "figure")  # options for sections that return


def announce_controls(
    controls: Controls,
    tokenizer: Tokenizer,
    chosen: Sequence[ChosenControl],
    listener: SampleListener | None,
) -> None:
    """What is written, or asked of the model, instead of the values that were chosen."""
    if listener is None:
        return
    if instead := approximations(controls, tokenizer, chosen):
        listener.notice(f"the model writes {', '.join(instead)}, the nearest in its vocabulary")
    if instead := simplifications(controls, chosen):
        listener.notice(f"the model is given {', '.join(instead)}: it knows no finer values")


def announce_plan(
    plan: Form,
    chosen: Sequence[ChosenControl],
    options: Mapping[str, Any],
    listener: SampleListener | None,
) -> None:
    """Values that repeat, and options of sampling that have no effect on a form."""
    if listener is None:
        return
    for one in chosen:
        count = len(one.values())
        if not one.where and 1 < count < plan.bars:
            listener.notice(f"the {count} values of {one.name} repeat over {plan.bars} bars")
    returns = any(plan.returns(index) is not None for index in range(len(plan.sections)))
    unused = [f"--{name}" for name in _OF_RETURNS if name in options]
    if unused and not returns:
        listener.notice(
            f"{', '.join(unused)} without effect: no section returns; choose --form AABA"
        )
