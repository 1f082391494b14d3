"""Bars of a file that a model writes as other bars, such as 7/4 as 4/4 and 3/4.

`owners` has the bar of the file, from 1, for each bar of the model, in their order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from musictk.controls import Controls
from musictk.generation.bar_plan import GivenFacts, plan_bars
from musictk.generation.chosen_controls import ChosenControl, bar_numbers
from musictk.generation.opening import Notice
from musictk.generation.request import PieceRequest
from musictk.generation.sampling import Sampling
from musictk.tokens import Tokenizer


def find_owners(edges: Sequence[float], lines: Sequence[int]) -> list[int]:
    """The bar, of those between `lines` (ticks), in which the middle of each bar is.

    `edges` are the ticks where these bars begin, and where the last one ends.
    """
    ends = np.asarray(edges, float)
    found = np.searchsorted(np.asarray(lines), (ends[:-1] + ends[1:]) / 2, "right")
    return [int(bar) for bar in np.clip(found, 1, len(lines) - 1)]


def for_model(chosen: Iterable[ChosenControl], owners: Sequence[int]) -> list[ChosenControl]:
    """Controls for bars of the file, as controls for those bars of the model that are in them."""
    found: list[ChosenControl] = []
    for one in chosen:
        values = one.values()
        if not one.where and len(values) == 1:
            found.append(one)
            continue
        first, last = bar_numbers(one.where) or (1, owners[-1])
        inside = [index for index, owner in enumerate(owners) if first <= owner <= last]
        if inside:
            of_bars = [values[(owners[index] - first) % len(values)] for index in inside]
            text = of_bars[0] if len(values) == 1 else " | ".join(of_bars)
            where = f"{inside[0] + 1}-{inside[-1] + 1}"
            found.append(ChosenControl(where, one.name, text))
    return found


def check_for_file(
    controls: Controls,
    tokenizer: Tokenizer,
    sampling: Sampling,
    chosen: Iterable[ChosenControl],
    bars: range,
) -> None:
    """Raise UsageError, with a bar of the file, for controls that leave nothing to write in it."""
    none = np.zeros((0, controls.width), np.uint8)
    own = tuple(for_model(chosen, bars))
    request = PieceRequest(bars=len(bars), controls=own, sampling=sampling)
    plan_bars(controls, tokenizer, request, GivenFacts(none, none, first=bars[0]))


def for_file(
    notices: Iterable[Notice],
    chosen: Iterable[ChosenControl],
    owners: Sequence[int],
    bars: tuple[int, int],
) -> list[Notice]:
    """Notices for bars of the file, also of controls that no bar of the model follows.

    `bars` are the first and the last of the file that are written.
    """
    last = len(owners)
    found = [
        replace(
            one,
            section="",
            bar=owners[min(one.bar, last) - 1],
            of_piece=place_of(one, owners, bars[1]),
        )
        for one in notices
    ]
    for one in chosen:
        found += [
            Notice("no-bar", "", bar, f"({one.name})") for bar in _left_out(one, owners, bars)
        ]
    return found


def place_of(one: Notice, owners: Sequence[int], bars: int) -> tuple[int, int] | None:
    """What a notice counts in the piece, in bars of the file, of which there are `bars`."""
    return None if one.of_piece is None else (owners[one.of_piece[0] - 1], bars)


def _left_out(one: ChosenControl, owners: Sequence[int], bars: tuple[int, int]) -> list[int]:
    """The bars of a control that have no bar of the model, and so no place to be followed."""
    first, last = bar_numbers(one.where) or bars
    inside = [owner for owner in owners if first <= owner <= last]
    written = range(max(first, bars[0]), min(last, bars[1]) + 1)
    missing = [bar for bar in written if bar not in owners]
    if inside and len(one.values()) == 1:  # between bars that have the value, there is no other
        every = len(inside) == len(owners)
        return [bar for bar in missing if not (every or inside[0] < bar < inside[-1])]
    return missing
