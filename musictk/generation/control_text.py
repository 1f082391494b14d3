"""Bar controls as text, from Python and the command line: "B: key=E minor, density=high"."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from musictk.errors import UsageError
from musictk.generation.chosen_controls import ChosenControl
from musictk.generation.constraints import PROGRAMS

EXAMPLE = "such as 'key=E minor', 'B: density=high' or '9-12: chord=Am | F'"


def parse_controls(controls: str | Iterable[str | ChosenControl]) -> tuple[ChosenControl, ...]:
    """The controls of texts `NAME=VALUE,…`, `LABEL: NAME=VALUE,…` or `BARS: NAME=VALUE,…`.

    LABEL is a section of the form, BARS such as "9-12" or "9". Raises UsageError for other text.
    """
    chosen: list[ChosenControl] = []
    given: Any = controls  # from Python it can be anything
    several = isinstance(given, Iterable) and not isinstance(given, str)
    for one in given if several else (given,):
        chosen += [one] if isinstance(one, ChosenControl) else parse_control(one)
    return tuple(chosen)


def parse_control(
    text: str, source: str = "control", example: str = EXAMPLE
) -> list[ChosenControl]:
    """`"B: key=E minor, density=high"` -> two controls; `source` and `example` are for errors."""
    if not isinstance(text, str):
        raise UsageError(f"{source} {text!r} is not WHERE: NAME=VALUE,…", example)
    head, equals, tail = text.partition("=")
    where, colon, first = head.rpartition(":")
    chosen: list[ChosenControl] = []
    for pair in listed(first + equals + tail):
        if chosen and "=" not in pair and chosen[-1].name == PROGRAMS:  # "programs=piano, violin"
            chosen[-1] = chosen[-1]._replace(value=f"{chosen[-1].value}, {pair}")
            continue
        name, equals, value = pair.partition("=")
        if not (equals and name.strip() and value.strip()) or (colon and not where.strip()):
            raise UsageError(f"{source} {text!r} is not WHERE: NAME=VALUE,…", example)
        chosen.append(ChosenControl(where.strip(), name.strip(), value.strip()))
    return chosen


def listed(text: str) -> list[str]:
    """The parts of `text` between commas that are outside of brackets and quotes.

    `"64, 128"` -> ["64", "128"], but `"[64, 128]"` -> ["[64, 128]"].
    """
    parts, depth, quote = [""], 0, ""
    for char in text:
        if quote:
            quote = "" if char == quote else quote
        elif char in "\"'":
            quote = char
        elif char == "," and depth == 0:
            parts.append("")
            continue
        depth += 0 if quote else (char in "[{") - (char in "]}")
        parts[-1] += char
    return [part.strip() for part in parts]
