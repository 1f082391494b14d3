"""The bar controls of a piece: what the user chose for it, for a section or for some bars."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import inf
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Bounds, Control, Controls, returned
from musictk.controls.arrangement import AFTER, BESIDE, REMAINING, ROLE, remaining
from musictk.errors import UsageError
from musictk.generation.chosen_controls import choose, choose_exactly, column_of, places_of
from musictk.generation.constraints import PROGRAMS
from musictk.generation.request import PieceRequest
from musictk.keys import find_key
from musictk.tokens import METRE, PITCH, TEMPO, Tokenizer

Ids = NDArray[np.uint8]
Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class BarPlan:
    """The ids (N, S) of N bars, those of a prompt first; later bars are as the last one."""

    controls: Controls
    tokenizer: Tokenizer
    ids: Ids  # what the model is conditioned on
    limits: Ids  # what is enforced: 0 where the user chose nothing
    chosen: frozenset[str]  # the names of the controls that the user chose for some bars
    beside: Ids  # (G, S) of the bars of a given part, with the same first bar
    strict: bool = False  # whether what controls enforce only where asked is enforced too
    end: int | None = None  # the bar before which the piece ends; None where that is open
    final_key: int | None = None  # in which it ends, an index in KEYS; None: that of its music
    # By name and bar, what is allowed by choices that ids do not tell apart: see `choose_exactly`.
    exact: Mapping[tuple[str, int], Bools] = field(default_factory=dict)
    repeats: Mapping[int, int] = field(default_factory=dict)  # see `Form.repeats`

    def value(self, name: str, bar: int) -> str | None:
        """What the user chose for a bar of a control; None for nothing."""
        if not self.sets(name, bar):
            return None
        index = int(self._limits(bar)[self.controls.columns[name]][0]) - 1
        return self.controls.named(name).values[index]

    def roots(self, bar: int) -> tuple[int, ...] | None:
        """The roots of the chords that the user chose for a bar; None if none were chosen."""
        found = (
            returned.roots(control, own) for control, own in self._chosen_in(self._limits(bar))
        )
        return next((roots for roots in found if roots is not None), None)

    def sets(self, name: str, bar: int) -> bool:
        """Whether the user chose this control for a bar."""
        if name == PROGRAMS:
            return (PROGRAMS, self._place(bar)) in self.exact
        columns = self.controls.columns.get(name)
        return columns is not None and bool(self._limits(bar)[columns].any())

    def allowed(self, bar: int) -> Bools | None:
        """(V,) what may be written in a bar; None if everything."""
        return self._masks[self._place(bar)]

    def allowed_by(self, name: str, bar: int) -> Bools | None:
        """(V,) what one control allows in a bar; None if everything."""
        key = name, min(bar, len(self.limits) - 1)
        if key not in self._own_masks:
            self._own_masks[key] = self._allowed_by(*key)
        return self._own_masks[key]

    def enforced(self, bar: int, among: Bools | None = None) -> list[str]:
        """The names of what the user chose for a bar and may leave no note to write.

        Of all that was chosen only the names that allow nothing `among` some tokens, if any does.
        """
        chosen = [name for name in (*self.controls.names, PROGRAMS) if self.sets(name, bar)]
        masks = {name: self.allowed_by(name, bar) for name in chosen}
        refusing = [
            name
            for name, mask in masks.items()
            if among is not None and mask is not None and not (mask & among).any()
        ]
        return refusing or [
            name
            for name in chosen
            if name not in (METRE, TEMPO) and (masks[name] is not None or self._counts(name, bar))
        ]

    def _counts(self, name: str, bar: int) -> bool:
        """Whether a control that was chosen for a bar bounds the number of its notes."""
        ids = self._limits(bar)[self.controls.columns[name]]
        return returned.bounds(self.controls.named(name), ids) != Bounds()

    def _allowed_by(self, name: str, bar: int) -> Bools | None:
        if not self.sets(name, bar) or (name, bar) in self.exact:
            return self.exact.get((name, bar))
        ids = self._limits(bar)[self.controls.columns[name]]
        return self._mask(self.controls.named(name), ids)

    def bounds(self, bar: int) -> Bounds:
        """What the controls of a bar enforce of the number of its notes."""
        return self._bounds[self._place(bar)]

    def closing(self, key: int) -> Ids:
        """(S,) what the model is conditioned on in the last bar of a piece that ends in a key."""
        assert self.end is not None
        ids = self.ids[self.end - 1].copy()
        for control, columns in self.controls.items():
            closing = returned.closing(control, key)
            if closing is not None and not ids[columns].any():
                ids[columns] = closing
        return ids

    def check(self, start: int, number: int) -> None:
        """Raise UsageError if the limits of a bar from `start` on leave no pitch.

        `number` is that of the first of these bars, as the user counts them.
        """
        attribute = self.tokenizer.attributes().get(PITCH)
        if attribute is None:
            return
        checked: set[int] = set()  # many bars share a mask
        for bar in range(start, len(self.limits)):
            mask = self.allowed(bar)
            if mask is None or id(mask) in checked:
                continue
            checked.add(id(mask))
            if not (mask & attribute.stated).any():
                pitches = attribute.written
                raise UsageError(
                    f"the controls of bar {bar - start + number} leave no pitch to write",
                    f"this model writes pitches {pitches[0]} to {pitches[-1]}:"
                    " choose a wider range" + (", or leave --strict out" if self.strict else ""),
                )

    def _limits(self, bar: int) -> Ids:
        return self.limits[self._place(bar)]

    def _place(self, bar: int) -> int:
        """The row of a bar; later bars are as the last one."""
        last = len(self.limits) - 1  # of every token: no call of `min` or `max`
        return bar if 0 <= bar <= last else last if bar > last else 0

    @cached_property
    def _own_masks(self) -> dict[tuple[str, int], Bools | None]:
        return {}

    @cached_property
    def _bounds(self) -> list[Bounds]:
        """Of each bar."""
        made: dict[bytes, Bounds] = {}  # many bars are alike
        for row in self.limits:
            if row.tobytes() not in made:
                made[row.tobytes()] = self._bounds_of(row)
        return [made[row.tobytes()] for row in self.limits]

    def _bounds_of(self, ids: Ids) -> Bounds:
        own = [returned.bounds(control, each) for control, each in self._chosen_in(ids)]
        notes = _within([(0.0, inf), *(each.notes for each in own)])
        return Bounds(notes, _within([(0.0, inf), *(each.voices for each in own)]))

    @cached_property
    def _masks(self) -> list[Bools | None]:
        """Of each bar; equal bars share one."""
        made: dict[tuple[bytes, tuple[int, ...]], Bools | None] = {}
        exact: list[list[Bools]] = [[] for _ in self.limits]
        for (_, bar), mask in self.exact.items():
            exact[bar].append(mask)
        found = []
        for row, masks in zip(self.limits, exact, strict=True):
            key = row.tobytes(), tuple(map(id, masks))
            if key not in made:
                made[key] = self._allowed(row, masks)
            found.append(made[key])
        return found

    def _allowed(self, ids: Ids, exact: Sequence[Bools]) -> Bools | None:
        own = (self._mask(*each) for each in self._chosen_in(ids))
        masks = [*exact, *(mask for mask in own if mask is not None)]
        return np.logical_and.reduce(masks) if masks else None

    def _chosen_in(self, ids: Ids) -> Iterator[tuple[Control, Ids]]:
        """The controls that a row (S,) gives a value, and the ids (parts,) of each."""
        for control, columns in self.controls.items():
            if ids[columns].any():
                yield control, ids[columns]

    def _mask(self, control: Control, ids: Ids) -> Bools | None:
        return returned.allowed(control, self.tokenizer, ids, self.strict)


class GivenFacts(NamedTuple):
    """What is measured in the bars that are given: the ids (…, S) of each."""

    before: Ids  # (P, S) of the prompt
    after: Ids  # (A, S) of the bars that follow the piece
    beside: Ids | None = None  # (G, S) of another part, which is given from the prompt's first bar
    # By name, (bars, parts) of the music that is rewritten: the new bars keep these facts.
    kept: Mapping[str, Ids] = MappingProxyType({})
    first: int = 1  # the number of the first new bar, for errors


def plan_bars(
    controls: Controls, tokenizer: Tokenizer, request: PieceRequest, given: GivenFacts
) -> BarPlan:
    """The plan of a piece, from the facts of the given bars.

    Facts that are kept give way to what the user chose. Raises UsageError for a control, value or
    place that does not exist, and for limits that leave nothing to write.
    """
    form, prompt, after, beside = request.plan(), given.before, given.after, given.beside
    before = 0 if request.theme else len(prompt)
    end = before + form.bars
    total = end + len(after)
    known = request.planned or not request.sampling.max_tokens  # whether its end is
    ids = np.zeros((max(total, 1), controls.width), np.uint8)
    ids[: len(prompt)] = prompt[:total]
    ids[end:] = after
    for control, columns in controls.items():
        planned = returned.planned(control, total + request.following, known)
        if planned is not None:
            ids[:, columns] = planned[: len(ids)]
    kept = {} if beside is None else _metres(controls, beside[before:], form.bars)
    kept.update(given.kept)
    limits = np.zeros_like(ids)
    for name, facts in kept.items():
        limits[len(prompt) : end, column_of(controls, name)] = facts[: end - len(prompt)]
    places = places_of(form, before)
    first = () if before else request.first_metre
    chosen = [*first, *(one for one in request.controls if one.name != PROGRAMS)]
    choose(controls, tokenizer, limits[:end], chosen, places, before)
    exact = choose_exactly(controls, tokenizer, end, request.controls, places, before)
    _complete(controls, ids, limits, len(prompt))
    np.copyto(ids, limits, where=limits > 0)
    if len(after):
        _describe_infill(controls, ids, len(prompt), end)
    names = frozenset((*kept, *(one.name for one in chosen)))
    ends = known and total == end and not request.following and bool(controls)
    part = ids[:0] if beside is None else _described(controls, beside)
    strict, last, key = request.sampling.strict, end if ends else None, find_key(request.ends_in)
    again = form.repeats(before)
    plan = BarPlan(controls, tokenizer, ids, limits, names, part, strict, last, key, exact, again)
    plan.check(len(prompt), len(prompt) - before + given.first)
    return plan


def _complete(controls: Controls, ids: Ids, limits: Ids, given: int) -> None:
    """Complete what is chosen for the bars after the `given` ones, in place."""
    limits[:given] = 0
    for control, columns in controls.items():
        if limits[:, columns].any():
            rows = np.concatenate([ids[:given, columns], limits[given:, columns]])
            limits[given:, columns] = returned.completed(control, rows, given)[given:]


def _within(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """What all of these bounds allow."""
    low, high = zip(*pairs, strict=True)
    return max(low), min(high)


def _describe_infill(controls: Controls, ids: Ids, start: int, stop: int) -> None:
    """Mark the bars after `stop` as given, and those before as the remaining ones, in place."""
    if not {ROLE, REMAINING} <= set(controls.names):
        raise UsageError(
            "this model was not trained to write between given bars",
            "train one with this musictk: musictk train",
        )
    ids[stop:, controls.columns[ROLE]] = AFTER
    ids[start:stop, controls.columns[REMAINING]] = remaining(stop - start)[:, None]


def _described(controls: Controls, beside: Ids) -> Ids:
    """The facts of a given part's bars, marked as given."""
    if ROLE not in controls.names:
        raise UsageError(
            "this model was not trained to write beside a given part",
            "train one with this musictk: musictk train",
        )
    ids = beside.copy()
    ids[:, controls.columns[ROLE]] = BESIDE
    return ids


def _metres(controls: Controls, beside: Ids, bars: int) -> dict[str, Ids]:
    """The metres of the bars of a given part, which the bars beside them keep."""
    if METRE not in controls.names or not len(beside):
        return {}
    rows = np.minimum(np.arange(bars), len(beside) - 1)
    return {METRE: beside[rows, controls.columns[METRE]]}
