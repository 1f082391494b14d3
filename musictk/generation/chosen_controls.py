"""The bar controls that a user chose, and the bars that they are for."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from musictk.controls import Control, Controls, returned
from musictk.errors import UsageError
from musictk.generation.constraints import PROGRAMS, program_values
from musictk.generation.control_values import parse_value
from musictk.generation.form import Form
from musictk.tokens import Tokenizer

Ids = NDArray[np.uint8]
Bools = NDArray[np.bool_]
Places = Mapping[str, list[range]]  # label -> the bars of each of its sections
Value = TypeVar("Value")

_NUMBERS = re.compile(r"(\d{1,18})(?:\s*[-–]\s*(\d{1,18}))?")


class ChosenControl(NamedTuple):
    """A control as the user wrote it, such as ("B", "key", "E minor")."""

    where: str  # "": everywhere; the label of a section; bars from 1, such as "9-12" or "9"
    name: str
    value: str  # or the values of successive bars, such as "Am | F | C G | Am", repeated

    @property
    def for_section(self) -> bool:
        """Whether it is for a section, and not for everything or for bars by their numbers."""
        return bool(self.where) and bar_numbers(self.where) is None

    def values(self) -> list[str]:
        """The values of successive bars, which are repeated; "%" is that of the bar before.

        Raises UsageError for an empty one, and for "%" in the first bar.
        """
        values: list[str] = []
        for value in map(str.strip, self.value.strip().strip("|").split("|")):
            if not value or (value == "%" and not values):
                fault = "begins with %" if value else "has an empty bar"
                hint = 'write such as "Am | F | C G | %"'
                raise UsageError(f"{self.name}={self.value!r} {fault}", hint)
            values.append(values[-1] if value == "%" else value)
        return values

    def from_bar(self, bar: int, where: str) -> ChosenControl:
        """The same for the bars `where`, the first of which has the value of bar `bar`, from 0."""
        values = self.values()
        first = bar % len(values)
        return self._replace(where=where, value=" | ".join(values[first:] + values[:first]))

    def check_values(self, bars: int) -> None:
        """Raise UsageError for values of more bars than there are."""
        if (values := len(self.values())) > bars:
            raise UsageError(
                f"{self.name}={self.value!r} is for {values} bars, and there "
                + (f"are {bars}" if bars > 1 else "is one"),
                "choose more bars, or write fewer values",
            )


def choose(
    controls: Controls,
    tokenizer: Tokenizer,
    limits: Ids,
    chosen: Sequence[ChosenControl],
    places: Places,
    before: int,
) -> None:
    """Write what the user chose into the ids (N, S) of a piece, in place."""
    for one in chosen:
        columns = column_of(controls, one.name)
        read = partial(parse_value, controls.named(one.name), tokenizer)
        for bar, value in _by_bar(one, read, places, before, len(limits)):
            limits[bar, columns] = value


def choose_exactly(
    controls: Controls,
    tokenizer: Tokenizer,
    bars: int,
    chosen: Sequence[ChosenControl],
    places: Places,
    before: int,
) -> dict[tuple[str, int], Bools]:
    """By name and bar, (V,) what is allowed by choices that are finer than ids, as of tempos.

    And by instruments, which have no ids.
    """

    def mask(name: str, text: str) -> Bools | None:
        if name == PROGRAMS:
            attribute, values = program_values(tokenizer, text)
            return attribute.within(values)
        value = returned.nearest(controls.named(name), tokenizer, text)
        if value is None:
            return None
        attribute = tokenizer.attributes()[name]
        return attribute.within([attribute.values.index(value)])

    found = {
        (one.name, bar): allowed
        for one in chosen
        for bar, allowed in _by_bar(one, partial(mask, one.name), places, before, bars)
    }
    return {key: allowed for key, allowed in found.items() if allowed is not None}


def check_counts(
    form: Form, chosen: Sequence[ChosenControl], before: int = 0, theme: int = 0
) -> None:
    """Raise UsageError for bars that do not exist after `before` others, or too many values.

    And for a control of the first bars only, if those are of a `theme`.
    """
    places = places_of(form, before)
    for one in chosen:
        runs = _bars(one.where, places, before, form.bars)
        one.check_values(max(map(len, runs)))
        if runs[-1].stop <= theme:
            raise UsageError(
                f"{one.name}={one.value} is for the theme only, which is kept unchanged",
                "choose it for other bars, or for a section that comes later",
            )


def check_no_section(chosen: Sequence[ChosenControl]) -> None:
    """Raise UsageError for a control of a section, where the piece has no form."""
    for one in chosen:
        if one.for_section:
            raise UsageError(
                f"there is no section {one.where!r} without a form",
                f"choose bars: '9-12: {one.name}={one.value}'; sections are those of --form",
            )


def numbered(form: Form, chosen: Sequence[ChosenControl], before: int) -> list[ChosenControl]:
    """The same for bars by their numbers, instead of for sections: of `before` others and these."""
    places = places_of(form, before)
    return [
        one._replace(where=f"{run.start + 1}-{run.stop}")
        for one in chosen
        for run in _bars(one.where, places, before, form.bars)
    ]


def moved_back(chosen: Sequence[ChosenControl], bars: int) -> list[ChosenControl]:
    """Controls of numbered bars, for the same music without its first `bars`."""
    found = list[ChosenControl]()
    for one in chosen:
        first, last = bar_numbers(one.where) or (1, 0)
        start = max(first, bars + 1)
        if start <= last:
            found.append(one.from_bar(start - first, f"{start - bars}-{last - bars}"))
    return found


def approximations(
    controls: Controls, tokenizer: Tokenizer, chosen: Sequence[ChosenControl]
) -> list[str]:
    """What is written instead of values that the vocabulary lacks, such as "tempo=110 as 108"."""

    def nearest(control: Control, text: str) -> str:
        value = returned.nearest(control, tokenizer, text)
        return "" if value is None or _short(value) == _short(text) else _short(value)

    return _instead(controls, chosen, nearest)


def simplifications(controls: Controls, chosen: Sequence[ChosenControl]) -> list[str]:
    """What the model is given instead of values that it lacks, such as "chord=Cmaj7 as C"."""
    return _instead(controls, chosen, lambda control, text: control.simplified(text))


def _instead(
    controls: Controls, chosen: Sequence[ChosenControl], other: Callable[[Control, str], str]
) -> list[str]:
    """Each value for which there is an `other` one, once."""
    found = [
        f"{one.name}={text} as {value}"
        for one in chosen
        if one.name != PROGRAMS and one.name in controls.names
        for text in one.values()
        if (value := other(controls.named(one.name), text))
    ]
    return list(dict.fromkeys(found))


def _short(text: str) -> str:
    """A number without needless zeros, such as "110" for "110.0"; other text unchanged."""
    try:
        return f"{float(text):.9g}"
    except ValueError:
        return text


def _by_bar(
    one: ChosenControl,
    read: Callable[[str], Value],
    places: Places,
    before: int,
    stop: int,
) -> Iterator[tuple[int, Value]]:
    """Each bar that a control was chosen for, before `stop`, and the value that it has there."""
    values = [read(part) for part in one.values()]
    for run in _bars(one.where, places, before, stop - before):
        for index, bar in enumerate(run):
            yield bar, values[index % len(values)]


def places_of(form: Form, before: int) -> Places:
    """The bars of each section of a label of the form."""
    found: dict[str, list[range]] = {}
    at = before
    for section in form.sections:
        bars = range(at, at + section.bars)
        for name in {section.label, section.name}:
            found.setdefault(name, []).append(bars)
        at += section.bars
    return found


def bar_numbers(where: str) -> tuple[int, int] | None:
    """`"9-12"` -> (9, 12), `"9"` -> (9, 9): the first and the last bar; None for other text."""
    match = _NUMBERS.fullmatch(where.strip())
    return None if match is None else (int(match[1]), int(match[2] or match[1]))


def name_bars(ranges: Sequence[tuple[int, int]]) -> str:
    """`[(1, 8), (13, 13)]` -> "bars 1-8, 13": from the first to the last of each."""
    texts = [f"{first}-{last}" if last > first else str(first) for first, last in ranges]
    return f"{'bar' if _is_one(ranges) else 'bars'} {', '.join(texts)}"


def bars_are(ranges: Sequence[tuple[int, int]]) -> str:
    """`[(1, 8), (13, 13)]` -> "bars 1-8, 13 are"."""
    return f"{name_bars(ranges)} {'is' if _is_one(ranges) else 'are'}"


def _is_one(ranges: Sequence[tuple[int, int]]) -> bool:
    return len(ranges) == 1 and ranges[0][0] == ranges[0][1]


def check_order(low: int, high: int) -> None:
    """Raise UsageError for bars in the wrong order."""
    if low > high:
        raise UsageError(f"bars {low}-{high} end before they begin", f"write {high}-{low}")


def column_of(controls: Controls, name: str) -> slice:
    """Where the parts of a control that users may choose are in a row of ids.

    Raises UsageError for another name, or where the control's plugin is not installed.
    """
    missing = controls.missing
    if name in missing:
        raise UsageError(
            f"control {name!r} is of plugin {missing[name].plugin}, which is not installed",
            "install it, or leave the control out",
        )
    offered = [
        each.name for each in controls.made if not each.structural and each.name not in missing
    ]
    if name not in offered:
        known = ", ".join(offered)
        raise UsageError(
            f"this model has no control {name!r}",
            f"it has: {known}" if known else "train one with this musictk: musictk train",
        )
    return controls.columns[name]


def _bars(where: str, places: Places, before: int, count: int) -> list[range]:
    """The bars, counted from 0 with those of a prompt, that a place means.

    One range for each section of its label: every return begins with the first value again.
    """
    if not where:
        return [range(before, before + count)]
    alike = [label for label in places if label.casefold() == where.casefold()]
    if alike:  # a form has no two labels that differ in case only
        return places[alike[0]]
    numbers = bar_numbers(where)
    if numbers is None:
        raise UsageError(f"the form has no section {where!r}", f"it has: {', '.join(places)}")
    low, high = numbers
    check_order(low, high)
    if not 1 <= low <= high <= count:
        mine = "the new bars are" if before else "the piece has bars"
        none = "is no bar" if low == high else "are no bars"
        raise UsageError(f"there {none} {where}", f"{mine} 1 to {count}")
    return [range(before + low - 1, before + high)]
