"""Which versions of a package a requirement accepts, such as "musictk>=0.2,<1"."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


def required(name: str, lines: Iterable[str]) -> str:
    """The versions of a package that requirements ask for, such as ">=2.11,<2.14"; "" for any.

    Requirements of an extra are left out.
    """
    pattern = re.compile(
        rf"{name}\s*(?:\[[^]]*\]\s*)?\(?([<>=!~][^;)]*)?\)?\s*(;.*)?", re.IGNORECASE
    )
    found = (pattern.fullmatch(line.strip()) for line in lines)
    own = (match for match in found if match and "extra" not in (match[2] or ""))
    return next(((match[1] or "").strip() for match in own), "")


def within(found: str, wanted: str) -> bool:
    """Whether a version fulfils conditions such as ">=2.11,<2.14"; unknown ones are ignored."""
    return all(_fulfils(found, each.strip()) for each in wanted.split(",") if each.strip())


def _fulfils(found: str, condition: str) -> bool:
    sign = condition[: 2 if condition[1:2] == "=" else 1]
    text = condition.removeprefix(sign).strip()
    ours, bound = _numbers(found), _numbers(text)
    if sign == "~=":  # ~=2.1 is >=2.1 and ==2.*
        return _fulfils(found, f">={text}") and ours[: len(bound) - 1] == bound[:-1]
    if text.endswith(".*"):
        ours = ours[: len(bound)]
    size = max(len(ours), len(bound))
    one, other = ((*each, *[0] * (size - len(each))) for each in (ours, bound))
    return sign not in _COMPARE or _COMPARE[sign](one, other)


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers at the start of a version: "2.13.0+cpu" is (2, 13, 0)."""
    found = re.match(r"\d+(\.\d+)*", text)
    return tuple(map(int, found[0].split("."))) if found else ()
