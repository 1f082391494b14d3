"""The metre in which music goes on, where it changes at the end of the given bars."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from musictk.controls import Controls
from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.control_values import parse_value
from musictk.generation.form import parse
from musictk.generation.metres import STEADY, known_metres
from musictk.generation.sampling import Sampling
from musictk.jobs.prompt import Prompt
from musictk.jobs.samples import SampleListener, SampleRequest
from musictk.tokens import METRE, Tokenizer


def in_late_metre(
    tokenizer: Tokenizer,
    controls: Controls,
    prompt: Prompt,
    asked: SampleRequest,
    sampling: Sampling,
    listener: SampleListener | None,
) -> tuple[Sampling, SampleRequest]:
    """The same options, with the metre that begins after the last given bar.

    No given bar has it, so a model would go on in the one before. Sections that return to a theme
    keep that of the theme. A notice says where the model cannot write it.
    """
    known = known_metres(tokenizer)
    if not prompt.late or sampling.metre != STEADY or not known:
        return sampling, asked
    length = Fraction(prompt.metre)
    alike = [metre for metre in known if Fraction(metre) == length]
    metre = prompt.metre if prompt.metre in known else next(iter(alike), "")
    labels = [""]
    if asked.theme is not None:
        labels = [section.label for section in parse(asked.form).sections]
    others = dict.fromkeys(label for label in labels[1:] if label != labels[0])
    if metre and labels[0] not in labels[1:]:
        return replace(sampling, metre=metre), asked
    if len(labels) > 1 and not others:  # all sections return
        return sampling, asked
    if metre and prompt.bars > 1 and _can_choose(tokenizer, controls, metre):
        chosen = [ChosenControl(label, METRE, metre) for label in others]
        return sampling, replace(asked, controls=(*chosen, *asked.controls))
    if listener is not None:
        given = "prompt" if asked.theme is None else "theme"
        listener.notice(
            f"the {given} changes to {prompt.metre} at its end, and the new bars keep the metre"
            " from before"
        )
    return sampling, asked


def _can_choose(tokenizer: Tokenizer, controls: Controls, metre: str) -> bool:
    """Whether a metre can be chosen for single sections."""
    if METRE not in controls.names:
        return False
    try:
        parse_value(controls.named(METRE), tokenizer, metre)
    except UsageError:
        return False
    return True
