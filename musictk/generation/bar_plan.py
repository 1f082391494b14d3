"""The bar controls of a piece: what the user chose for it, for a section or for some bars."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Controls
from musictk.controls.arrangement import AFTER, REMAINING, ROLE, remaining
from musictk.errors import UsageError
from musictk.generation.form import Form
from musictk.tokens import Tokenizer

Ids = NDArray[np.uint8]
Mask = NDArray[np.bool_]


class ChosenControl(NamedTuple):
    """A control as the user wrote it, such as ("B", "key", "E minor")."""

    where: str  # "": everywhere; the label of a section; bars from 1, such as "9-12" or "9"
    name: str
    value: str  # or the values of successive bars, such as "Am | F | C G | Am", repeated


@dataclass(frozen=True, eq=False)
class BarPlan:
    """The ids (N, S) of N bars, those of a prompt first; later bars are as the last one."""

    controls: Controls
    tokenizer: Tokenizer
    ids: Ids
    chosen: frozenset[str]  # the names of the controls that the user chose for some bars

    def at(self, bar: int) -> Ids:
        """The ids (S,) of one bar."""
        return self.ids[min(max(bar, 0), len(self.ids) - 1)]

    def allowed(self, bar: int) -> Mask | None:
        """(V,) what may be written in a bar; None if everything."""
        ids = self.at(bar)
        key = ids.tobytes()
        if key not in self._masks:
            self._masks[key] = self._allowed(ids)
        return self._masks[key]

    @cached_property
    def _masks(self) -> dict[bytes, Mask | None]:
        return {}

    def _allowed(self, ids: Ids) -> Mask | None:
        total: Mask | None = None
        for control, columns in zip(
            self.controls.made, self.controls.columns.values(), strict=True
        ):
            mask = control.allowed(self.tokenizer, ids[columns]) if ids[columns].any() else None
            if mask is not None:
                total = mask if total is None else total & mask
        return total


def plan_bars(
    controls: Controls,
    tokenizer: Tokenizer,
    form: Form,
    chosen: Sequence[ChosenControl],
    prompt: Ids,
    theme: bool,
    known: bool,
    after: Ids | None = None,
    following: int = 0,
) -> BarPlan:
    """The plan of a piece: `prompt` (P, S) are the facts of its bars, `after` of those that follow.

    `theme`: the prompt is the first section of the form, not a section before it. `known`: the
    piece ends with the form, or `following` bars after those of `after`. Raises UsageError for a
    control, value or place that does not exist.
    """
    before = 0 if theme else len(prompt)
    end = before + form.bars
    total = end + (0 if after is None else len(after))
    ids = np.zeros((max(total, 1), controls.width), np.uint8)
    ids[: len(prompt)] = prompt[:total]
    if after is not None:
        ids[end:] = after
    for control, columns in zip(controls.made, controls.columns.values(), strict=True):
        planned = control.planned(total + following, known)
        if planned is not None:
            ids[:, columns] = planned[: len(ids)]
    places = _places(form, before)
    for one in chosen:
        columns = _column(controls, one.name)
        control = controls.made[controls.names.index(one.name)]
        values = [control.parse(part) for part in _parts(one)]
        for index, bar in enumerate(_bars(one.where, places, before, form.bars)):
            if bar >= len(prompt):
                ids[bar, columns] = values[index % len(values)]
    if after is not None and len(after):
        _describe_infill(controls, ids, len(prompt), end)
    return BarPlan(controls, tokenizer, ids, frozenset(one.name for one in chosen))


def _describe_infill(controls: Controls, ids: Ids, start: int, stop: int) -> None:
    """Mark the bars after `stop` as given, and those before as the remaining ones, in place."""
    if not {ROLE, REMAINING} <= set(controls.names):
        raise UsageError(
            "this model was not trained to write between given bars",
            "train one with this musictk: musictk train",
        )
    ids[stop:, controls.columns[ROLE]] = AFTER
    ids[start:stop, controls.columns[REMAINING]] = remaining(stop - start)[:, None]


def _parts(chosen: ChosenControl) -> list[str]:
    """The values of successive bars, such as "Am | F | C G | Am"; they are repeated."""
    parts = [part.strip() for part in chosen.value.strip().strip("|").split("|")]
    if not all(parts):
        raise UsageError(
            f"a bar of {chosen.name}={chosen.value!r} is empty", 'write such as "Am | F | C G | Am"'
        )
    return parts


def _places(form: Form, before: int) -> Mapping[str, list[int]]:
    """The bars of each label of the form."""
    found: dict[str, list[int]] = {}
    at = before
    for section in form.sections:
        bars = range(at, at + section.bars)
        for name in {section.label, section.name}:
            found.setdefault(name, []).extend(bars)
        at += section.bars
    return found


def _column(controls: Controls, name: str) -> slice:
    offered = [each.name for each in controls.made if not each.structural]
    if name not in offered:
        known = ", ".join(offered)
        raise UsageError(
            f"this model has no control {name!r}",
            f"it has: {known}" if known else "train one with this musictk: musictk train",
        )
    return controls.columns[name]


def _bars(where: str, places: Mapping[str, list[int]], before: int, count: int) -> Sequence[int]:
    """The bars, counted from 0 with those of a prompt, that a place means."""
    if not where:
        return range(before, before + count)
    if where in places:
        return places[where]
    first, _, last = where.partition("-")
    if not (first.isdigit() and (last or first).isdigit()):
        raise UsageError(f"the form has no section {where!r}", f"it has: {', '.join(places)}")
    low, high = int(first), int(last or first)
    if not 1 <= low <= high <= count:
        raise UsageError(f"there are no bars {where}", f"the piece has bars 1 to {count}")
    return range(before + low - 1, before + high)
