"""Notices of controls and options that have no effect, or another than was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from musictk.controls import Controls
from musictk.generation.chosen_controls import (
    ChosenControl,
    approximations,
    bar_numbers,
    name_bars,
    numbered,
    simplifications,
)
from musictk.generation.keep import HARMONY
from musictk.generation.memory import variation_of
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Sampling
from musictk.jobs.given_bars import BarNumbers, outside
from musictk.jobs.samples import SampleListener, SampleRequest
from musictk.model.manifest import Manifest
from musictk.tokens import Frames, Tokenizer

_OF_VARIED = ("blend", "ramp", "figure")  # options for sections that return with changes
_OF_RETURNS = ("variation", *_OF_VARIED)
_OF_CHANCE = ("top_k", "top_p", "min_p")


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
        listener.notice(f"the model is given {', '.join(instead)}: the nearest that it knows")


def announce_plan(
    request: PieceRequest, asked: SampleRequest, manifest: Manifest, listener: SampleListener | None
) -> None:
    """Values that repeat, and what has no effect on a piece with a form."""
    if listener is None:
        return
    plan = request.plan()
    for one in asked.controls:
        count = len(one.values())
        if not one.where and 1 < count < plan.bars:
            listener.notice(f"the {count} values of {one.name} repeat over {plan.bars} bars")
    announce_options(request, asked, manifest, listener)
    if request.theme:
        placed = numbered(plan, [one for one in asked.controls if one.where], 0)
        new = ((request.theme + 1, plan.bars),)
        announce_places(placed, new, "the theme is kept unchanged", listener)


def announce_options(
    request: PieceRequest, asked: SampleRequest, manifest: Manifest, listener: SampleListener | None
) -> None:
    """Options of sampling that have no effect on a request, or less than was asked for."""
    if listener is None:
        return
    usual = Sampling()
    chosen = {key for key, value in asked.options.items() if value != getattr(usual, key)}
    for names, why in _unused(request, asked, manifest):
        if unused := [f"--{name.replace('_', '-')}" for name in names if name in chosen]:
            listener.notice(f"{', '.join(unused)} without effect: {why}")
    memory = request.sampling.memory
    if memory > manifest.max_length:
        listener.notice(
            f"--memory {memory:,} is more than the model's context: {manifest.max_length:,} is used"
        )


def announce_places(
    chosen: Sequence[ChosenControl],
    written: Sequence[BarNumbers],
    why: str,
    listener: SampleListener | None,
) -> None:
    """Controls for bars, by their numbers, of which some are not `written`."""
    found: dict[str, list[str]] = {}
    for one in chosen:
        place = bar_numbers(one.where)
        if rest := [] if place is None else outside(place, written):
            found.setdefault(name_bars(rest), []).append(f"{one.name}={one.value}")
    for bars, names in found.items():
        if listener is not None:
            listener.notice(f"{', '.join(names)} without effect in {bars}: {why}")


def _unused(
    request: PieceRequest, asked: SampleRequest, manifest: Manifest
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Options of sampling without effect, and why."""
    plan, sampling = request.plan(), request.sampling
    known = [plan.returns(index) is not None for index in range(len(plan.sections))]
    returning = [section for section, again in zip(plan.sections, known, strict=True) if again]
    of_file = asked.infill is not None or asked.accompany is not None
    if not returning:
        why = "no section returns; choose --form AABA"
        yield _OF_RETURNS, "the bars of a file have no form" if of_file else why
    elif not any(0 < variation_of(sampling, section.primes) < 1 for section in returning):
        yield _OF_VARIED, f"with --variation {sampling.variation:g} no section is varied"
    if all(known[1:]):
        why = "no new section follows the first; choose --form AB"
        yield ("contrast",), "the bars of a file have no form" if of_file else why
    if asked.prompt is None and asked.infill is None:
        why = "there is no prompt; add --prompt FILE"
        yield ("prompt_tokens",), "a part beside a given one has no prompt" if of_file else why
    names = [one.name for one in (*request.controls, *asked.controls)]
    labelled = any(manifest.conditions.mixture(request.conditions))
    if not (labelled or asked.keep == HARMONY or manifest.controls.need_guidance(names)):
        yield ("guidance",), "no label, and no control that it strengthens; add --composer NAME"
    if sampling.temperature == 0 and not isinstance(manifest.space, Frames):
        yield _OF_CHANCE, "--temperature 0 takes the most likely token"
